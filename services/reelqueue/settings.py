"""Every setting: one tree, read from the environment once, checked together, refused together.

Names: `REELQUEUE_DATABASE_URL`, and `REELQUEUE_GATEWAY__MAX_WAIT_S` for a field of a group. What NemoVideo's own
tools call by a name (`NEMO_API_URL`, `NEMO_TOKEN`, …) keeps that name. `docs/settings.md` is made from this file.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from reelqueue.kit.limits import LEASE_S, TOKEN_DRAIN_S

S = TypeVar("S", bound=BaseSettings)

SECRET_KEY_BYTES = 32


class SettingsInvalid(Exception):
    """The settings contradict each other or are incomplete. The message lists every problem, and no secret."""


class GatewaySettings(BaseModel):
    """The HTTP API."""

    json_body_bytes: int = Field(1_048_576, gt=0, description="Largest JSON body, in bytes.")
    batch_body_bytes: int = Field(16_777_216, gt=0, description="Largest body of a batch, in bytes.")
    max_body_s: float = Field(120.0, gt=0, description="A body that takes longer than this gets 408.")
    max_wait_s: int = Field(60, ge=0, description="Longest wait that `Prefer: wait=N` may ask for, in seconds.")
    sse_ping_s: float = Field(15.0, gt=0, description="Seconds between pings on an event stream.")
    threads: int = Field(40, gt=0, description="Threads for routes that talk to the database.")
    docs: bool = Field(default=True, description="Whether `/docs` and `/openapi.json` are served.")
    admin_token: SecretStr | None = Field(
        None,
        min_length=32,
        max_length=128,
        description="Opens the operator's API, as `openssl rand -hex 32` prints one; closed without it.",
    )


class FileSettings(BaseModel):
    """Inputs and results."""

    store_url: str = Field(
        "file:///var/lib/reelqueue/files",
        description="Where files are kept: `file:///path`, `s3://bucket/prefix`, `gs://…` or `az://…`.",
    )
    spool_dir: str = Field("/var/lib/reelqueue/spool", description="Local directory where uploads are received.")
    max_file_bytes: int = Field(20_000_000, gt=0, description="Largest input file (contract §4.4 names 20 MB).")
    max_picture_bytes: int = Field(
        100_000_000, gt=0, description="Largest picture as it is sent: over `max_file_bytes`, it is made smaller."
    )
    max_files: int = Field(20, gt=0, le=100, description="Most inputs of one job.")
    max_pixels: int = Field(100_000_000, gt=0, description="Most pixels of an input picture.")
    max_frames: int = Field(2_000, gt=0, description="Most frames of an animated picture.")
    jpeg_quality: int = Field(92, ge=1, le=95, description="Quality of the JPEGs that repairs make.")
    repairs_at_once: int = Field(
        2, gt=0, description="Pictures that one gateway repairs at once, each in a process of its own."
    )
    repair_wait_s: float = Field(30.0, gt=0, description="A picture that waits longer for a place gets 503.")
    repair_s: float = Field(60.0, gt=0, description="A repair that takes longer than this has failed.")
    repair_memory_bytes: int = Field(
        2_147_483_648, ge=268_435_456, description="Address space of the process that repairs one picture."
    )
    max_result_bytes: int = Field(2_000_000_000, gt=0, description="Largest result that is fetched.")
    fetch_s: float = Field(60.0, gt=0, description="Total time to fetch an input URL, in seconds.")
    download_s: float = Field(600.0, gt=0, description="Total time to fetch a result, in seconds.")


class StepSettings(BaseModel):
    """The steps' own waits and budgets. `speed` shortens the waits."""

    max_attempts: int = Field(6, ge=1, description="Tries of a step before the job fails.")
    retry_base_s: float = Field(2.0, gt=0, description="First retry's longest delay; doubles each time, full jitter.")
    retry_cap_s: float = Field(120.0, gt=0, description="Longest delay between two tries.")
    render_first_poll_s: float = Field(2.0, gt=0, description="First poll of an export; grows by 1.5 (contract §8.2).")
    render_longest_poll_s: float = Field(30.0, gt=0, description="Longest time between two polls (contract §4.8).")
    render_budget_s: float = Field(600.0, gt=0, description="An export that takes longer has failed.")
    turn_total_s: float = Field(900.0, gt=0, description="Longest agent turn (contract §4.3: 15 minutes).")
    turn_idle_s: float = Field(600.0, gt=0, description="Longest time without substance (contract §6.4).")
    reconcile_first_s: float = Field(30.0, gt=0, description="First look after a broken stream (contract §6.4).")
    reconcile_next_s: float = Field(60.0, gt=0, description="Time between further looks (contract §6.4).")
    reconcile_looks: int = Field(5, ge=1, description="Looks without a change before the outcome is unknown.")
    reconcile_patience_s: float = Field(
        21_600.0,
        gt=0,
        description="How long an upstream that does not answer is asked again about a turn that was sent.",
    )
    lag_looks: int = Field(3, ge=0, description="Further looks after a silent turn that seems to have changed nothing.")
    lag_s: float = Field(2.0, gt=0, description="Time between those looks: the state may lag (contract §6.2).")


class RecoverySettings(BaseModel):
    """What arrives after a job was canceled or ran out of time."""

    watch_s: float = Field(1_800.0, gt=0, description="How long it is waited for, in seconds. `speed` shortens it.")
    keep_s: float = Field(86_400.0, gt=0, description="How long a file that arrived is kept, in seconds.")
    notice_s: float = Field(
        86_400.0,
        gt=0,
        description="How long before such a file is deleted its owner is told, in seconds; at most half of `keep_s`.",
    )


class WebhookSettings(BaseModel):
    """Deliveries."""

    total_s: float = Field(15.0, gt=0, description="Total time for one delivery, in seconds.")
    keep_days: int = Field(
        30, ge=5, description="Days for which events and what was sent of them are kept; the last try comes on the 4th."
    )


class NemoSettings(BaseSettings):
    """NemoVideo, under the names its own tools use (contract §2.2)."""

    model_config = SettingsConfigDict(env_prefix="NEMO_", hide_input_in_errors=True)

    api_url: str = Field("https://mega-api-prod.nemovideo.ai", description="Base URL of the API.")
    web_url: str = Field("https://nemovideo.com", description="Base URL of the web app, for links to people.")
    token: SecretStr | None = Field(None, description="A token for the shared pool. Tenants may bring their own.")
    client_id: str | None = Field(None, max_length=64, description="Stable id for anonymous tokens (contract §2.3).")
    allow_anonymous: bool = Field(
        default=False, description="Fetch an anonymous token when there is no other. For trials with one tenant."
    )
    skill_source: str = Field("reelqueue", description="`X-Skill-Source` on every call (contract §2.4).")
    skill_platform: str = Field("unknown", description="`X-Skill-Platform` on every call (contract §2.4).")
    call_s: float = Field(60.0, gt=0, description="Total time for a call that is neither a turn nor an upload.")
    upload_s: float = Field(600.0, gt=0, description="Total time for an upload.")


class Settings(BaseSettings):
    """The whole tree."""

    model_config = SettingsConfigDict(
        env_prefix="REELQUEUE_", env_nested_delimiter="__", hide_input_in_errors=True, extra="ignore"
    )

    database_url: SecretStr = Field(description="PostgreSQL 15 or newer, as a `postgresql://` URL.")
    migration_database_url: SecretStr | None = Field(
        None,
        description="For `reelqueue migrate` alone: the same database as another user, who owns the tables.",
    )
    redis_url: SecretStr = Field(description="Redis 7 or Valkey 8 or newer, as a `redis://` URL.")
    secret_key: SecretStr = Field(
        description="32 random bytes in base64. Seals secrets at rest; keys for cursors and API keys come from it."
    )
    database_pool: int = Field(10, gt=0, description="Database connections a process keeps.")
    speed: float = Field(1.0, gt=0, le=10_000, description="Shortens our own waits, never a lease. For development.")
    credits_per_turn: float = Field(
        100.0,
        ge=0,
        description="What a turn is expected to cost, for budgets, while none of the tenant's has been settled.",
    )
    token_drain_s: float = Field(
        TOKEN_DRAIN_S,
        ge=0,
        le=31_536_000,
        description="A token that expires sooner than this gets new projects only if no other will do, in seconds.",
    )
    egress_allow: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        (), description="Networks that may be called though they are not public, comma separated. For development."
    )
    log_format: Literal["json", "console"] = Field("json", description="Log lines for machines or for people.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is logged.")
    metrics_port: int | None = Field(None, description="Port of `/metrics` for processes that are not the gateway.")
    gateway: GatewaySettings = Field(default_factory=GatewaySettings)
    files: FileSettings = Field(default_factory=FileSettings)
    steps: StepSettings = Field(default_factory=StepSettings)
    recovery: RecoverySettings = Field(default_factory=RecoverySettings)
    webhooks: WebhookSettings = Field(default_factory=WebhookSettings)
    nemo: NemoSettings = Field(default_factory=NemoSettings)

    @field_validator("egress_allow", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("secret_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr) -> SecretStr:
        try:
            decoded = base64.b64decode(value.get_secret_value(), validate=True)
        except binascii.Error:
            decoded = b""
        if len(decoded) != SECRET_KEY_BYTES:
            raise ValueError("must be 32 bytes in base64, as `openssl rand -base64 32` prints them")
        return value

    @property
    def master_key(self) -> bytes:
        """The secret key, decoded."""
        return base64.b64decode(self.secret_key.get_secret_value())

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        problems = []
        if self.webhooks.total_s >= LEASE_S:
            problems.append("webhooks.total_s must be shorter than the lease, or a slow receiver gets an event twice")
        if self.steps.turn_idle_s > self.steps.turn_total_s:
            problems.append("steps.turn_idle_s must not be longer than steps.turn_total_s")
        if self.steps.render_first_poll_s > self.steps.render_longest_poll_s:
            problems.append("steps.render_first_poll_s must not be longer than steps.render_longest_poll_s")
        if self.nemo.allow_anonymous and self.nemo.client_id is None:
            problems.append("NEMO_ALLOW_ANONYMOUS needs NEMO_CLIENT_ID: a new id each time uses up the address's share")
        if problems:
            raise ValueError("; ".join(problems))
        return self


def load_settings() -> Settings:
    """Read the environment. Raises `SettingsInvalid` with every problem at once, in words, without any value."""
    problems: list[str] = []
    # By itself first: a group that reads the environment would stop the others from being checked.
    nemo = _read(NemoSettings, problems, "nemo.") or NemoSettings.model_construct()
    settings = _read(lambda: Settings(nemo=nemo), problems)
    if settings is None or problems:
        raise SettingsInvalid("\n".join(problems))
    return settings


def _read(make: Callable[[], S], problems: list[str], place: str = "") -> S | None:
    try:
        return make()
    except ValidationError as error:
        for one in error.errors():
            where = ".".join(str(part) for part in one["loc"]) or "settings"
            problems.append(f"{place}{where}: {one['msg']}")
    except SettingsError as error:
        problems.append(f"{place}settings: {error}")
    return None
