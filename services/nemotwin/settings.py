"""The settings of the twin: what it does where the contract leaves a choice, and how long things take."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, TypeAdapter

from nemotwin.wording import GuiTalk

Amount: TypeAlias = Annotated[int, Field(ge=0)]
Chance: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Seconds: TypeAlias = Annotated[float, Field(ge=0)]
Span: TypeAlias = tuple[Seconds, Seconds]
"""The shortest and the longest time something takes, in virtual seconds."""

HeartbeatSpelling: TypeAlias = Literal[
    "type",
    "word",
    "empty",
    "comment",
    "colon",
    "event",
    "ping_event",
    "ping_comment",
    "mixed",
    "none",
]
"""The candidates of `contract §5.1`; `mixed` takes each in turn."""

ExportRule: TypeAlias = Literal["missing_headers", "missing_headers_without_credits", "free_plan", "off"]
"""When an export is refused with 402 (`contract §2.4`): `free_plan` means missing headers or not a paid plan."""

UrlKey: TypeAlias = Literal["usual", "outputUrl", "output_url", "url", "output.url", "output"]
"""Under which name a render's reply has the URL (`contract §8.3`); `usual` goes by the shape of the reply."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be changed while the twin runs, with the defaults of the contract.

    Durations are virtual seconds (`contract §6.1`); `instant` makes turns and renders take none at all. A limit of
    zero seconds is none: sessions do not expire, streams are not cut, result URLs work for ever. Stage two of a
    generation changes the draft once or track by track (`second_stage_edits`), and texts come in pieces when they are
    asked for, always, or never (`streaming`). As ADK `2` the twin marks a silent ending with an `errorCode`, and gives
    the pieces of an event the id of the whole (`contract §5.3`, `§5.4`).

    What the contract leaves open: `turns_per_session` says what a second turn meets while one runs in its session (both
    run; 409; or whichever writes second ends with ADK's stale session error), `renders_per_session` the same of a
    second render (both run; it waits; 409), `render_cancel` which renders can be canceled (`ignored`: it says so
    and goes on; `missing`: there is no such route), `empty_draft` whether a draft without segments is accepted and
    fails later, and `render_scope` what a token without the scope `render` is
    refused with at an export. `requests_per_minute` and `parallel_turns` are what a token may do at a time, unless
    it has limits of its own (0: as much as it likes); the 429 of the first has a `Retry-After` or not
    (`says_retry_after`).
    """

    speed: Annotated[float, Field(gt=0)] = 1.0
    seed: int = 0
    instant: bool = False

    generation_seconds: Span = (100.0, 300.0)
    edit_seconds: Span = (10.0, 30.0)
    reply_seconds: Span = (5.0, 15.0)
    render_seconds: Span = (27.0, 33.0)

    silent_rate: Chance = 0.30
    trailing_issue_rate: Chance = 0.05
    gui_talk: GuiTalk = "some"
    second_stage: bool = True
    second_stage_edits: Literal["together", "one_by_one"] = "together"
    on_disconnect: Literal["continue", "cancel"] = "continue"
    state_lag: Annotated[int, Field(ge=0)] = 0
    turns_per_session: Literal["interleave", "reject", "stale"] = "interleave"
    renders_per_session: Literal["allow", "queue", "reject"] = "allow"

    dialect: Literal["adk", "flat"] = "adk"
    adk: Literal["1", "2"] = "1"
    heartbeat: HeartbeatSpelling = "type"
    heartbeat_seconds: Annotated[float, Field(gt=0)] = 15.0
    streaming: Literal["asked", "always", "never"] = "asked"
    aggregate: Literal["new", "old"] = "new"
    stream_limit_seconds: Seconds = 0.0

    render_shape: Literal["wrapped", "bare", "mixed"] = "wrapped"
    render_url_key: UrlKey = "usual"
    render_words: Literal["usual", "synonyms"] = "usual"
    empty_draft: Literal["fails", "refused"] = "fails"
    render_cancel: Literal["pending", "open", "ignored", "missing"] = "pending"
    result_url_seconds: Seconds = 0.0
    download: Literal["bytes", "json", "redirect"] = "bytes"
    code_status: Literal["ok", "http"] = "ok"
    lost_session_on_stream: Literal["code", "detail"] = "code"
    export_rule: ExportRule = "missing_headers"
    render_scope: Literal["ignored", "402", "403"] = "ignored"

    generation_cost: Amount = 100
    edit_cost: Amount = 50
    edit_charge: Literal["session", "turn"] = "session"
    anonymous_credits: Amount = 100
    anonymous_per_ip: Amount = 10
    anonymous_repeat: Literal["refuse", "same_token"] = "refuse"
    session_idle_seconds: Seconds = 0.0
    requests_per_minute: Amount = 0
    parallel_turns: Amount = 0
    says_retry_after: bool = True
    upload_limit_bytes: Amount = 200 * 1024 * 1024
    cdn_refuses_bearer: bool = False

    film_fps: Annotated[int, Field(ge=1, le=60)] = 24
    film_max_side: Annotated[int, Field(ge=64, le=3840)] = 1920

    def span(self, name: Literal["generation", "edit", "reply", "render"]) -> Span:
        """Say how long a piece of work takes; nothing at all in instant mode."""
        if self.instant:
            return (0.0, 0.0)
        spans = {
            "generation": self.generation_seconds,
            "edit": self.edit_seconds,
            "reply": self.reply_seconds,
            "render": self.render_seconds,
        }
        return spans[name]


class UnknownSettingError(ValueError):
    """A change names a setting that does not exist."""


_ADAPTER = TypeAdapter(Settings)


def changed(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    """Return `settings` with `changes` applied and checked.

    Raises `UnknownSettingError` for a name that is no setting, `pydantic.ValidationError` for a value out of range.
    """
    known = {field.name for field in dataclasses.fields(Settings)}
    if unknown := sorted(set(changes) - known):
        raise UnknownSettingError(", ".join(unknown))
    return _ADAPTER.validate_python(dataclasses.asdict(settings) | dict(changes))


class Dials:
    """The settings in force now. Readers ask each time, so that a change takes effect at once."""

    def __init__(self, settings: Settings) -> None:
        """Start from `settings`, to which `reset` returns."""
        self._initial = settings
        self.now = settings

    def change(self, changes: Mapping[str, Any]) -> Settings:
        """Apply `changes` and return the new settings; raises as `changed` does and then changes nothing."""
        self.now = changed(self.now, changes)
        return self.now

    def reset(self) -> Settings:
        """Return to the settings the twin was started with."""
        self.now = self._initial
        return self.now
