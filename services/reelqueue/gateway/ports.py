"""What the gateway needs of `wiring.Services`: the names there, the methods used here."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from typing import Literal, Protocol

from pydantic import SecretStr

from reelqueue.domain.assets import Asset
from reelqueue.domain.audit import Actor
from reelqueue.domain.credits import Credits
from reelqueue.domain.feed import FeedPage
from reelqueue.domain.following import JobNews
from reelqueue.domain.intake import IdempotencyKey, JobFilter
from reelqueue.domain.jobs import Job, JobEvent
from reelqueue.domain.projects import NewProject, ProjectFilter, ProjectRecord
from reelqueue.domain.quotas import Limits, TenantQuotas
from reelqueue.domain.usage import UsageQuery, UsageReport
from reelqueue.domain.versions import DraftVersion
from reelqueue.domain.why import Why
from reelqueue.files.blobs import BlobStore
from reelqueue.files.limits import FileLimits
from reelqueue.files.repair.workshop import Workshop
from reelqueue.files.spool import Spool
from reelqueue.gateway.message_ports import MessageRows, ReplayRows, ResendRows
from reelqueue.gateway.tenancy_ports import ApiKeyRows, AuditRows, ErasureRows, TenantRows
from reelqueue.gateway.webhook_ports import EndpointRows, SampleRows, SecretRows
from reelqueue.jobs import submit_ports
from reelqueue.jobs.batches import BatchIntake, BatchRows
from reelqueue.jobs.breaker_ports import BreakerView
from reelqueue.jobs.ports import HistoryStore
from reelqueue.jobs.project_views import ProjectViews
from reelqueue.jobs.token_keeping import TokenKeeping
from reelqueue.kit.clock import Clock
from reelqueue.kit.gcra import Gate
from reelqueue.kit.metrics import Metrics


class JobRows(Protocol):
    """A tenant's jobs."""

    def find(self, tenant_id: str, job_id: str) -> Job:
        """One job. Raises NotFound."""
        ...

    def list(self, tenant_id: str, narrow: JobFilter, *, before: str | None, limit: int) -> list[Job]:
        """Newest first, older than the id `before`."""
        ...

    def request_cancel(self, tenant_id: str, job_id: str) -> Job:
        """Cancel, or ask the worker to. Raises NotFound, StateConflict."""
        ...


class BreakerRows(Protocol):
    """What is known of NemoVideo."""

    def view(self) -> BreakerView:
        """Every phase."""
        ...


class AnswerRows(Protocol):
    """Takes answers to questions."""

    def give(
        self,
        tenant_id: str,
        job_id: str,
        text: str,
        *,
        asked_at: datetime | None,
        idempotency: IdempotencyKey | None = None,
    ) -> Job:
        """Answer the open question. Raises NotFound, StateConflict."""
        ...


class ProjectRecords(submit_ports.ProjectRows, Protocol):
    """A tenant's projects."""

    def create(self, tenant_id: str, new: NewProject) -> ProjectRecord:
        """A new project."""
        ...

    def list(self, tenant_id: str, narrow: ProjectFilter, *, before: str | None, limit: int) -> list[ProjectRecord]:
        """Newest first, older than the id `before`."""
        ...


class VersionRows(submit_ports.VersionRows, Protocol):
    """The versions of projects' drafts."""

    def list(self, tenant_id: str, project_id: str, *, before: int | None, limit: int) -> list[DraftVersion]:
        """Newest first, older than the number `before`."""
        ...


class IntakeRows(submit_ports.Intake, BatchIntake, Protocol):
    """Commits jobs, one by one and in batches."""


class CreditsReader(Protocol):
    """Knows what a tenant has and has spent."""

    def read(self, tenant_id: str) -> Credits:
        """As of now. Raises what the balance call raises."""
        ...


class WhyReader(Protocol):
    """Knows why jobs wait."""

    def read(self, tenant_id: str, job_id: str) -> Why:
        """Why the job is where it is. Raises NotFound."""
        ...


class EventRows(Protocol):
    """A job's events."""

    def after(self, tenant_id: str, job_id: str, seq: int, limit: int = 500) -> list[JobEvent]:
        """Those numbered above `seq`, in order."""
        ...

    def news(self, tenant_id: str, job_id: str, after: int, limit: int = 500) -> JobNews:
        """The job, and its events numbered above `after`, in order. Raises `NotFound`."""
        ...


class FeedRows(Protocol):
    """A tenant's feed."""

    def after(
        self, tenant_id: str, after: int | None, *, types: Collection[str] | None = None, limit: int = 100
    ) -> FeedPage:
        """Those numbered above `after`, in order; with `None` from the oldest kept on."""
        ...


class WatchedRows(Protocol):
    """Jobs and feeds that somebody waits for."""

    def versions(self, keys: Collection[str]) -> Mapping[str, str]:
        """Of each that is there, a word that is another one after each change."""
        ...


class AssetRows(submit_ports.AssetRows, Protocol):
    """A tenant's files."""

    def find(self, tenant_id: str, asset_id: str) -> Asset:
        """One asset. Raises NotFound."""
        ...

    def list(self, tenant_id: str, *, before: str | None, limit: int) -> list[Asset]:
        """Newest first, older than the id `before`."""
        ...


class QuotaRows(Protocol):
    """Tenants' quotas and budgets."""

    def limits(self, tenant_id: str) -> Limits:
        """With what is used of them. Raises NotFound."""
        ...

    def turn_costs(self, tenant_id: str) -> float:
        """What a job that is accepted now would reserve for each of its turns."""
        ...

    def set(self, tenant_id: str, changes: Mapping[str, float | None], *, by: Actor) -> TenantQuotas:
        """Change those that are named; `None` lifts one. Raises NotFound, ValidationFailed."""
        ...


class UsageRows(Protocol):
    """What tenants' jobs came to."""

    def used(self, tenant_id: str, query: UsageQuery) -> UsageReport:
        """In groups."""
        ...


class Readiness(Protocol):
    """The database's fitness to serve this code."""

    def check(self) -> None:
        """Raises DependencyUnavailable."""
        ...

    def role(self) -> Literal["ok", "down", "unknown"]:
        """Whether the database's policies hold for us. Logs it where they do not."""
        ...


class Notice(Protocol):
    """A hint that something changed."""

    @property
    def channel(self) -> str:
        """The name, or `reconnected` when hints may have been missed."""
        ...

    @property
    def payload(self) -> str:
        """What it is about: on `rq_job` the job's id, on `rq_feed` the tenant's."""
        ...


class Notices(Protocol):
    """One connection that listens."""

    def listen(self) -> Iterator[Notice | None]:
        """Hints as they come; `None` now and then. Ends after `close`."""
        ...

    def close(self) -> None:
        """End `listen` soon. From any thread."""
        ...


class GatewayLimits(Protocol):
    """`settings.gateway`."""

    json_body_bytes: int
    batch_body_bytes: int
    max_body_s: float
    max_wait_s: int
    sse_ping_s: float
    threads: int
    docs: bool
    admin_token: SecretStr | None


class SettingsTree(Protocol):
    """`settings`, as far as it concerns us."""

    @property
    def gateway(self) -> GatewayLimits:
        """Limits and switches of the HTTP API."""
        ...


class Sweep(Protocol):
    """Repairs something."""

    def run(self) -> int:
        """How much was repaired. Raises DependencyUnavailable."""
        ...


class GatewayServices(Protocol):
    """The part of `wiring.Services` that the gateway uses."""

    @property
    def settings(self) -> SettingsTree: ...  # noqa: D102 - named after what it holds, here and below
    @property
    def clock(self) -> Clock: ...  # noqa: D102
    @property
    def rng(self) -> random.Random: ...  # noqa: D102
    @property
    def metrics(self) -> Metrics: ...  # noqa: D102
    @property
    def api_keys(self) -> ApiKeyRows: ...  # noqa: D102
    @property
    def tenants(self) -> TenantRows: ...  # noqa: D102
    @property
    def erasures(self) -> ErasureRows: ...  # noqa: D102
    @property
    def audit_log(self) -> AuditRows: ...  # noqa: D102
    @property
    def pepper(self) -> bytes: ...  # noqa: D102
    @property
    def cursor_key(self) -> bytes: ...  # noqa: D102
    @property
    def intake(self) -> IntakeRows: ...  # noqa: D102
    @property
    def jobs(self) -> JobRows: ...  # noqa: D102
    @property
    def answers(self) -> AnswerRows: ...  # noqa: D102
    @property
    def project_records(self) -> ProjectRecords: ...  # noqa: D102
    @property
    def versions(self) -> VersionRows: ...  # noqa: D102
    @property
    def batches(self) -> BatchRows: ...  # noqa: D102
    @property
    def project_views(self) -> ProjectViews: ...  # noqa: D102
    @property
    def credits(self) -> CreditsReader: ...  # noqa: D102
    @property
    def why(self) -> WhyReader: ...  # noqa: D102
    @property
    def history(self) -> HistoryStore: ...  # noqa: D102
    @property
    def breakers(self) -> BreakerRows: ...  # noqa: D102
    @property
    def token_keeping(self) -> TokenKeeping: ...  # noqa: D102
    @property
    def quotas(self) -> QuotaRows: ...  # noqa: D102
    @property
    def usage(self) -> UsageRows: ...  # noqa: D102
    @property
    def key_gate(self) -> Gate: ...  # noqa: D102
    @property
    def past_jobs(self) -> submit_ports.PastJobRows: ...  # noqa: D102
    @property
    def events(self) -> EventRows: ...  # noqa: D102
    @property
    def feed(self) -> FeedRows: ...  # noqa: D102
    @property
    def feed_keeping(self) -> Sweep: ...  # noqa: D102
    @property
    def watched(self) -> WatchedRows: ...  # noqa: D102
    @property
    def assets(self) -> AssetRows: ...  # noqa: D102
    @property
    def endpoints(self) -> EndpointRows: ...  # noqa: D102
    @property
    def webhook_secrets(self) -> SecretRows: ...  # noqa: D102
    @property
    def samples(self) -> SampleRows: ...  # noqa: D102
    @property
    def deliveries(self) -> MessageRows: ...  # noqa: D102
    @property
    def resends(self) -> ResendRows: ...  # noqa: D102
    @property
    def replays(self) -> ReplayRows: ...  # noqa: D102
    @property
    def health(self) -> Readiness: ...  # noqa: D102
    @property
    def blobs(self) -> BlobStore: ...  # noqa: D102
    @property
    def spool(self) -> Spool: ...  # noqa: D102
    @property
    def orphan_sweep(self) -> Sweep: ...  # noqa: D102
    @property
    def file_eraser(self) -> Sweep: ...  # noqa: D102
    @property
    def file_limits(self) -> FileLimits: ...  # noqa: D102
    @property
    def workshop(self) -> Workshop: ...  # noqa: D102
    @property
    def egress(self) -> submit_ports.Egress: ...  # noqa: D102
    @property
    def input_fetcher(self) -> submit_ports.Fetcher: ...  # noqa: D102
    @property
    def notices(self) -> Callable[..., Notices]: ...  # noqa: D102 - each call a new listener on the channels named
    @property
    def broker_ok(self) -> Callable[[], bool]: ...  # noqa: D102
