"""Why a job waits: what stands in its way, the figures behind that, when it will be done, and what would change it.

Pure. The facts are of one moment (`store/facts_of_waiting.py`). Each reason has its entry in `EXPLANATIONS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, Literal

from reelqueue.domain.estimates import Estimates
from reelqueue.domain.explanations import CHANGES, EXPLANATIONS, TENANT_PAUSED, TOKEN_COOLING, Explanation
from reelqueue.domain.jobs import Job, Status, Waiting, WaitingReason


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFacts:
    """The upstream token that a job is on or would be placed on.

    Of the shared pool only what concerns the job: its id, and how much of it is in use, are others' affairs.
    """

    own: bool
    id: str | None = None
    full: bool = False
    slots_in_use: int | None = None
    """Of the kind that the job needs next: those for turns, or those for exports."""
    max_slots: int | None = None
    cooling_until: datetime | None = None
    blocked: bool = False
    health: str = "ok"
    user_id: str | None = None
    """Whose account it is upstream; of one's own token only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerFacts:
    """The breaker of the upstream phase that is the job's next."""

    phase: str
    state: str
    next_probe_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What holds at one moment, by the database's clock."""

    job: Job
    now: datetime
    admitted_at: datetime | None
    due_at: datetime | None
    running: int
    max_running: int
    paused: bool
    share: float
    """Of the turns that are given out while all who wait now go on waiting: the tenant's weight against theirs."""
    place: int | None
    """Jobs of its customer that go before it. `None`: it was admitted, or more wait than are counted."""
    project_job: str | None = None
    """The job of its project that is done first."""
    project_turn_watched: bool = False
    """A turn of the project was left running by a job that has ended."""
    token: TokenFacts | None = None
    breaker: BreakerFacts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that would let the job go on. `do` is stable, `text` is for people."""

    do: str
    text: str
    until: datetime | None = None
    link: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """What stands in the way."""

    reason: str
    since: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Eta:
    """When work begins and when the job is done: as likely as not, and in nine of ten cases."""

    start_p50: datetime | None
    start_p90: datetime | None
    finish_p50: datetime
    finish_p90: datetime
    basis: str
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """The whole answer."""

    state: Literal["waiting", "working", "ended"]
    facts: Facts
    text: str
    blocker: Blocker | None = None
    eta: Eta | None = None
    changes: tuple[Change, ...] = ()


def explain(facts: Facts, estimates: Estimates, *, link: str | None = None) -> Why:
    """Why the job is where it is. `link` is where a person gets more credits."""
    job = facts.job
    if job.status.is_final:
        return Why(state="ended", facts=facts, text=f"The job has ended: it {_ENDED[job.status]}.")
    if job.waiting is None:
        text = "A worker is at work on it."
        return Why(state="working", facts=facts, text=text, eta=_eta(facts, estimates, None))
    reason, waiting = blocking(facts), job.waiting
    blocker = Blocker(reason=reason, since=waiting.since, until=_until(reason, facts, waiting))
    said = EXPLANATIONS[reason]
    return Why(
        state="waiting",
        facts=facts,
        text=said.text.format_map(_words(facts, waiting)),
        blocker=blocker,
        eta=None if said.up_to_a_person else _eta(facts, estimates, blocker),
        changes=tuple(_changes(said, blocker, job, link)),
    )


def blocking(facts: Facts) -> str:
    """The one thing that keeps a waiting job from going on. For a new job: what dispatch would meet first."""
    assert facts.job.waiting is not None
    reason = facts.job.waiting.reason
    if reason is WaitingReason.PROJECT or facts.admitted_at is not None:
        return reason.value
    if facts.paused:
        return TENANT_PAUSED
    if facts.running >= facts.max_running:
        return WaitingReason.TENANT_CAP.value
    return (None if facts.token is None else _of_token(facts.token, facts.now)) or reason.value


def _of_token(token: TokenFacts, now: datetime) -> str | None:
    if token.blocked:
        return WaitingReason.TOKEN_BLOCKED.value
    if token.cooling_until is not None and token.cooling_until > now:
        return TOKEN_COOLING
    return WaitingReason.TOKEN_ROOM.value if token.full else None


_ENDED: Final[Mapping[Status, str]] = MappingProxyType(
    {Status.SUCCEEDED: "succeeded", Status.FAILED: "failed", Status.CANCELED: "was canceled"}
)


def _until(reason: str, facts: Facts, waiting: Waiting) -> datetime | None:
    if reason == TOKEN_COOLING and facts.token is not None and facts.token.cooling_until is not None:
        return facts.token.cooling_until
    if facts.breaker is not None and reason == "upstream_degraded":
        return facts.breaker.next_probe_at
    return waiting.until


def _eta(facts: Facts, estimates: Estimates, blocker: Blocker | None) -> Eta | None:
    """From what jobs of its size took. `None` where that is unknown, or where it took longer than they did."""
    if estimates.work_p50_s is None or estimates.work_p90_s is None:
        return None
    at_least = facts.now if blocker is None or blocker.until is None else max(facts.now, blocker.until)
    work = (estimates.work_p50_s, estimates.work_p90_s)
    if facts.admitted_at is None:
        starts = [max(at_least, facts.now + timedelta(seconds=s)) for s in _waits(facts, estimates, work)]
        finishes = [start + timedelta(seconds=s) for start, s in zip(starts, work, strict=True)]
        return _made(estimates, (starts[0], starts[1]), (finishes[0], finishes[1]))
    spent = (facts.now - facts.admitted_at).total_seconds()
    if spent >= work[1]:
        return None
    finishes = [max(at_least, facts.admitted_at + timedelta(seconds=s), facts.now) for s in work]
    return _made(estimates, (None, None), (finishes[0], finishes[1]))


def _waits(facts: Facts, estimates: Estimates, work: tuple[float, float]) -> tuple[float, float]:
    """Seconds until work begins: the usual wait, less what is over of it; at a full cap, until enough have ended."""
    waited = (facts.now - facts.job.created_at).total_seconds()
    usual = (estimates.wait_p50_s or 0.0, estimates.wait_p90_s or 0.0)
    rounds = 0.0
    if facts.running >= facts.max_running > 0:
        rounds = ((facts.place or 0) + 1) / facts.max_running
    left = [max(0.0, wait - waited, rounds * one) for wait, one in zip(usual, work, strict=True)]
    return left[0], left[1]


def _made(
    estimates: Estimates,
    starts: tuple[datetime | None, datetime | None],
    finishes: tuple[datetime, datetime],
) -> Eta:
    return Eta(
        start_p50=starts[0],
        start_p90=starts[1],
        finish_p50=finishes[0],
        finish_p90=finishes[1],
        basis=estimates.basis,
        samples=estimates.samples,
    )


def _words(facts: Facts, waiting: Waiting) -> Mapping[str, Any]:
    """What the sentences of `EXPLANATIONS` have places for."""
    ahead = "More of your jobs than are counted" if facts.place is None else f"{facts.place} of your jobs"
    before = "a turn that an ended job left running" if facts.project_job is None else f"job {facts.project_job}"
    return {
        "turn": f"{ahead} go before it, and other tenants have their turns in between."
        if facts.admitted_at is None
        else "It goes on as soon as a worker is free.",
        "running": facts.running,
        "max_running": facts.max_running,
        "before": before,
        "detail": "" if waiting.detail is None else f" ({waiting.detail})",
    }


def _changes(said: Explanation, blocker: Blocker, job: Job, link: str | None) -> Iterator[Change]:
    links = {"top_up": link, "answer": f"/v1/jobs/{job.id}/answer"}
    for do in said.changes:
        until = blocker.until if do in ("wait", "answer") else None
        if do == "wait" and until is None:
            continue
        yield Change(do=do, text=CHANGES[do], until=until, link=links.get(do))
