"""When a part of NemoVideo counts as down for everybody, and when it is tried again. Pure.

A breaker a phase. It opens on failures that say nothing of one job, one token or one file, by more than one job, and
only where they outweigh what the same call answered meanwhile. Open, it lets one probe through at a time; each failed
probe doubles the wait before the next, up to a cap. The first answered probe closes it. A breaker that an operator has
opened is probed by nobody and closed by nobody else.

`now` is the database's clock everywhere: processes whose clocks differ decide alike.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, Literal

from reelqueue.kit.clock import rfc3339


class Phase(enum.StrEnum):
    """A part of NemoVideo that can be down while the others work."""

    SESSION = "session"
    """Sessions are made, and their state is read."""
    UPLOAD = "upload"
    INSTRUCT = "instruct"
    """Agent turns, the only calls that cost."""
    RENDER = "render"
    """Exports are submitted."""
    POLL = "poll"
    """Exports are asked for."""
    SAVE = "save"
    """Finished files are fetched."""


CALLS: Final = MappingProxyType(
    {
        "create_session": Phase.SESSION,
        "state": Phase.SESSION,
        "upload_files": Phase.UPLOAD,
        "upload_urls": Phase.UPLOAD,
        "run_turn": Phase.INSTRUCT,
        "submit_render": Phase.RENDER,
        "render_report": Phase.POLL,
        "download_render": Phase.SAVE,
        "keep": Phase.SAVE,
    }
)
"""The phase of each call that is watched. A balance is not: a job goes on without it.

Nor is a cancel, which never waits.
"""

ADMITTING: Final = frozenset({Phase.SESSION, Phase.INSTRUCT})
"""While one of these is open no job is admitted beyond what a probe needs: it would hold room and do nothing."""

State = Literal["closed", "open", "half_open"]
ProbeEnd = Literal["answered", "failed", "nothing"]
News = Literal["degraded", "recovered"]


class UpstreamEventType(enum.StrEnum):
    """What can happen to NemoVideo, as consumers hear of it. These events are of no job and no tenant."""

    DEGRADED = "upstream.degraded"
    RECOVERED = "upstream.recovered"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """How many failures are an outage, and how it is probed. All times in seconds."""

    window_s: float = 60.0
    """Failures further apart than this are not counted together: it is about how long a step's tries take."""
    failures: int = 5
    jobs: int = 2
    """Of how many jobs at least: one poisoned session, token or file opens nothing."""
    ratio: float = 0.5
    """The least share of failures among the calls of that kind."""
    probe_base_s: float = 5.0
    probe_cap_s: float = 60.0
    """No outage costs more than this, and the spread, after its end."""
    probe_s: float = 60.0
    """How long a probe may say nothing before another one is let through: its worker may be dead."""
    calm_s: float = 300.0
    """An opening so soon after a closing goes on with the waits where they were: it flaps."""
    quiet_s: float = 300.0
    """How long nothing is told again of an opening after the last telling."""
    held_look_s: float = 10.0
    """How often a job looks whether a breaker held open by hand was closed."""

    def probe_wait(self, failed_probes: int) -> float:
        """The wait before the next probe."""
        return min(self.probe_cap_s, self.probe_base_s * 2.0 ** min(failed_probes, 32))

    def at_speed(self, speed: float) -> BreakerPolicy:
        """The same, its waits shortened. What is told stays as rare as it was."""
        return replace(
            self,
            probe_base_s=self.probe_base_s / speed,
            probe_cap_s=self.probe_cap_s / speed,
            held_look_s=self.held_look_s / speed,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A call that found a phase down. `answered`: how many calls of that name were answered since the last report."""

    job_id: str
    call: str
    reason: str
    """The code of the error."""
    answered: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """One phase as its row says."""

    phase: Phase
    state: State = "closed"
    held: bool = False
    """Opened by an operator, and closed by nobody else."""
    reason: str | None = None
    """The class of what was met, or an operator's words."""
    calls: tuple[str, ...] = ()
    """What failed. Only these calls wait, and only their answers prove a recovery; none: all of the phase."""
    jobs: tuple[str, ...] = ()
    failures: int = 0
    answered: int = 0
    window_started_at: datetime | None = None
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    next_probe_at: datetime | None = None
    probe: str | None = None
    """Who probes."""
    probe_until: datetime | None = None
    failed_probes: int = 0
    opened_total: int = 0
    told: News | None = None
    told_at: datetime | None = None

    @property
    def public_reason(self) -> str | None:
        """The class of what was met; an operator's words are not for everybody."""
        return "operator" if self.held else self.reason

    @property
    def is_closed(self) -> bool:
        """Whether calls go through."""
        return self.state == "closed"

    def stops(self, call: str) -> bool:
        """Whether that call of the phase has to wait."""
        return not self.is_closed and (self.held or not self.calls or call in self.calls)


def after_failure(breaker: Breaker, failure: Failure, now: datetime, policy: BreakerPolicy) -> Breaker:
    """Count a failure, and open where it is one too many. An open breaker only learns which calls fail too."""
    calls = breaker.calls if failure.call in breaker.calls else (*breaker.calls, failure.call)
    if not breaker.is_closed:
        return breaker if breaker.held else replace(breaker, calls=calls)
    counted = _counted(breaker, failure, now, policy)
    if not _is_down(counted, policy):
        return counted
    flaps = breaker.closed_at is not None and now - breaker.closed_at < timedelta(seconds=policy.calm_s)
    failed = breaker.failed_probes + 1 if flaps else 0
    return replace(
        counted,
        state="open",
        reason=failure.reason,
        opened_at=now,
        next_probe_at=now + timedelta(seconds=policy.probe_wait(failed)),
        failed_probes=failed,
        opened_total=breaker.opened_total + 1,
    )


def _counted(breaker: Breaker, failure: Failure, now: datetime, policy: BreakerPolicy) -> Breaker:
    began = breaker.window_started_at
    if began is None or now - began > timedelta(seconds=policy.window_s):
        breaker, began = replace(breaker, calls=(), jobs=(), failures=0, answered=0), now
    # More names than the threshold tell nothing more.
    jobs = breaker.jobs if failure.job_id in breaker.jobs else (*breaker.jobs, failure.job_id)[: policy.jobs]
    calls = breaker.calls if failure.call in breaker.calls else (*breaker.calls, failure.call)
    return replace(
        breaker,
        window_started_at=began,
        calls=calls,
        jobs=jobs,
        failures=breaker.failures + 1,
        answered=breaker.answered + failure.answered,
    )


def _is_down(breaker: Breaker, policy: BreakerPolicy) -> bool:
    asked = breaker.failures + breaker.answered
    enough = breaker.failures >= policy.failures and len(breaker.jobs) >= policy.jobs
    return enough and breaker.failures >= policy.ratio * asked


def after_probe(breaker: Breaker, probe: str, outcome: ProbeEnd, now: datetime, policy: BreakerPolicy) -> Breaker:
    """What became of a probe.

    An answer closes, however late it comes. A failure counts only from the probe that is on: one that was given up has
    been followed by another. A probe that never came to its call leaves the place to the next one.
    """
    if breaker.is_closed or breaker.held:
        return breaker
    if outcome == "answered":
        return _closed(breaker, now)
    if breaker.probe != probe:
        return breaker
    failed = breaker.failed_probes + (outcome == "failed")
    wait = policy.probe_wait(failed) if outcome == "failed" else policy.probe_base_s
    return replace(
        breaker,
        state="open",
        failed_probes=failed,
        next_probe_at=now + timedelta(seconds=wait),
        probe=None,
        probe_until=None,
    )


def held_open(breaker: Breaker, reason: str, now: datetime) -> Breaker:
    """Open until `released`, whatever is answered meanwhile."""
    opened_at = now if breaker.is_closed else breaker.opened_at
    return replace(
        breaker,
        state="open",
        held=True,
        reason=reason,
        calls=(),
        opened_at=opened_at,
        next_probe_at=None,
        probe=None,
        probe_until=None,
        opened_total=breaker.opened_total + breaker.is_closed,
    )


def released(breaker: Breaker, now: datetime) -> Breaker:
    """Closed by hand, whoever had opened it."""
    return breaker if breaker.is_closed else replace(_closed(breaker, now), failed_probes=0)


def _closed(breaker: Breaker, now: datetime) -> Breaker:
    """Closed, its count begun anew. The waits are remembered, in case it flaps."""
    return Breaker(
        phase=breaker.phase,
        closed_at=now,
        failed_probes=breaker.failed_probes,
        opened_total=breaker.opened_total,
        told=breaker.told,
        told_at=breaker.told_at,
    )


def news(breaker: Breaker, now: datetime, policy: BreakerPolicy) -> News | None:
    """What is to be told now, if anything: an opening at most once in `quiet_s`, and the recovery of each one told."""
    if breaker.is_closed:
        return "recovered" if breaker.told == "degraded" else None
    if breaker.told == "degraded":
        return None
    early = breaker.told_at is not None and now - breaker.told_at < timedelta(seconds=policy.quiet_s)
    return None if early else "degraded"


def upstream_document(breakers: Iterable[Breaker]) -> dict[str, Any]:
    """NemoVideo as the API shows it. A closed phase says nothing of failures that opened nothing."""
    phases = [
        {
            "phase": one.phase.value,
            "state": one.state,
            "since": None if one.opened_at is None else rfc3339(one.opened_at),
            "reason": None if one.is_closed else one.public_reason,
            "next_probe_at": None if one.next_probe_at is None else rfc3339(one.next_probe_at),
        }
        for one in breakers
    ]
    status = "ok" if all(one["state"] == "closed" for one in phases) else "degraded"
    return {"object": "upstream", "status": status, "phases": phases}
