"""What a turn did, found out by looking: at the end of every turn, and for as long as it takes after a broken one.

The vendor's recipe (contract §6.4): after a cut wait 30 s and look; a change means it worked; otherwise look each 60 s,
and after five looks without a change give up. Two things are added. A change counts once the session stands still,
since a generation goes on in stages (§6.3). And while more credits are frozen than before, something still runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reelqueue.domain.claims import Claim
from reelqueue.domain.credits import bill, booking
from reelqueue.domain.follow_ups import follow_up
from reelqueue.domain.jobs import Job, Status, WaitingReason
from reelqueue.domain.outages import waits_for_upstream
from reelqueue.domain.receipts import receipt
from reelqueue.domain.sessions import Project
from reelqueue.domain.turns import Snapshot, Turn, TurnState
from reelqueue.domain.upstream import TurnEnd, TurnReport
from reelqueue.domain.verdicts import Advance, Canceled, Fail, Learned, Retry, Snooze, Verdict
from reelqueue.domain.versions import version_of
from reelqueue.errors import (
    CreditsExhausted,
    NoTimeline,
    OutcomeUnknown,
    RateLimited,
    SessionNotFound,
    TokenRejected,
    UpstreamError,
)
from reelqueue.jobs.faults import verdict_on
from reelqueue.jobs.observe import Observer
from reelqueue.jobs.ports import TurnStore, Upstream
from reelqueue.jobs.token_desk import TokenDesk
from reelqueue.kit.clock import Clock

GONE = (TokenRejected, SessionNotFound, OutcomeUnknown)
"""After these nobody can look any more."""
MOST_LOOKS = 20
"""However restless the session is: after this many looks what is there counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The waits, in seconds, and how many looks without a change are enough.

    `patience_s`: how long, from the sending on, an upstream that does not answer is asked again. `refused_s`: how long,
    from the first time, one that refuses the look.
    """

    first_s: float
    next_s: float
    looks: int
    lag_s: float
    lag_looks: int
    patience_s: float
    refused_s: float


class Reconciler:
    """Settles turns. Never sends anything that costs."""

    def __init__(
        self,
        *,
        upstream: Upstream,
        desk: TokenDesk,
        observer: Observer,
        turns: TurnStore,
        recipe: Recipe,
        clock: Clock,
    ) -> None:
        self._upstream = upstream
        self._desk = desk
        self._observer = observer
        self._turns = turns
        self._recipe = recipe
        self._clock = clock

    def after_cut(self, claim: Claim, project: Project, *, aborted: bool, partial: TurnReport | None) -> Verdict:
        """The stream broke under us: on purpose, since the owner canceled, or not."""
        if aborted:
            return self.canceled(claim, project)
        said = f"after {len(partial.tools)} tool calls" if partial is not None and partial.tools else None
        return Snooze(self._recipe.first_s, WaitingReason.RECONCILE, detail=said)

    def settle(self, claim: Claim, project: Project | None, turn: Turn) -> Verdict:
        """One look at the session of a turn that was sent: heard to its end, or broken, here or in a worker now gone.

        While the upstream does not answer nothing is known and no attempt is used up: the outcome is there to be found.
        Where it cannot be found any more the job says that credits may be gone.
        """
        if project is None:
            return self._unseen(claim, turn, SessionNotFound())
        if turn.state is TurnState.UNKNOWN:
            return self._unseen(claim, turn, OutcomeUnknown())
        try:
            if turn.state is TurnState.FINISHED:
                return self._conclude(claim, project, turn)
            return self._look_again(claim, project, turn)
        except UpstreamError as error:
            return self._unseen(claim, turn, error)

    def _look_again(self, claim: Claim, project: Project, turn: Turn) -> Verdict:
        now = self._observer.look(project)
        looks = turn.observations + 1
        if now.digest != turn.before.digest:
            stands_still = turn.last_seen is not None and turn.last_seen.digest == now.digest
            if (stands_still and not _still_running(turn.before, now)) or looks >= MOST_LOOKS:
                self._turns.finish(claim, turn.position, None)
                return self._verdict(claim, project, turn, now, None)
            self._turns.observe(claim, turn.position, now)
            return Snooze(self._recipe.first_s, WaitingReason.RECONCILE)
        if (looks >= self._recipe.looks and not _still_running(turn.before, now)) or looks >= MOST_LOOKS:
            self._turns.give_up(claim, turn.position)
            booked = booking(turn.position, project.token_id, turn.before, now)
            return Fail(OutcomeUnknown(), Learned(billing=bill(claim.job.billing, booked), booking=booked))
        self._turns.observe(claim, turn.position, now)
        return Snooze(self._recipe.next_s, WaitingReason.RECONCILE)

    def _unseen(self, claim: Claim, turn: Turn, error: UpstreamError) -> Verdict:
        """The look failed. Worth another while it may pass; else the job ends, and may have cost what nobody saw.

        A refusal of the look is met again for as long as a broken stream is looked after: the turn is paid for, and
        looking is free.
        """
        verdict = verdict_on(error)
        if isinstance(verdict, Snooze):
            return verdict
        job = claim.job
        may_pass = self._is_patient(job, turn) if isinstance(verdict, Retry) else self._may_be_met_again(job, error)
        if may_pass:
            return Snooze(self._recipe.next_s, WaitingReason.UPSTREAM_DOWN, detail=error.code)
        if turn.state is TurnState.SENDING:
            self._turns.give_up(claim, turn.position)
        heard = None if turn.report is None else _receipt(claim.job, turn, None, turn.report)
        return Fail(error, Learned(receipt=heard, billing=bill(claim.job.billing, None)))

    def _is_patient(self, job: Job, turn: Turn) -> bool:
        assert turn.sent_at is not None
        return waits_for_upstream(job) or (self._clock.now() - turn.sent_at).total_seconds() < self._recipe.patience_s

    def _may_be_met_again(self, job: Job, error: UpstreamError) -> bool:
        if isinstance(error, GONE):
            return False
        waiting = job.waiting
        if waiting is None or waiting.reason is not WaitingReason.UPSTREAM_DOWN:
            return True
        return (self._clock.now() - waiting.since).total_seconds() < self._recipe.refused_s

    def _conclude(self, claim: Claim, project: Project, turn: Turn) -> Verdict:
        """What a turn did that was heard to its end. A silent one is settled by the state, which may lag (§6.2).

        So may the state of one that called tools and spoke: before its change shows, it seems to have done nothing.
        A stream may also close at once while the work goes on: as long as more credits are reserved than before, a
        silent turn is not over.
        """
        now = self._observer.look(project)
        report = turn.report
        silent = report is not None and not report.texts and self._failure(report) is None
        acted = silent or (report is not None and bool(report.tools) and self._failure(report) is None)
        if acted and now.digest == turn.before.digest and turn.observations < self._recipe.lag_looks:
            self._turns.observe(claim, turn.position, now)
            return Snooze(self._recipe.lag_s, WaitingReason.RECONCILE)
        if silent and _still_running(turn.before, now) and turn.observations < MOST_LOOKS:
            self._turns.observe(claim, turn.position, now)
            return Snooze(self._recipe.first_s, WaitingReason.RECONCILE)
        return self._verdict(claim, project, turn, now, report)

    def _failure(self, report: TurnReport) -> UpstreamError | None:
        """What the stream said went wrong. Beside texts or tools an event's error code ended one step only (§5.4)."""
        if report.end is not TurnEnd.ERROR_FRAME and (report.texts or report.tools):
            return None
        return self._upstream.turn_failure(report)

    def canceled(self, claim: Claim, project: Project | None) -> Verdict:
        """End a job whose owner canceled it, saying what is known of the cost of a turn that was under way.

        It is not booked yet: the turn is watched for after the job has ended (`late_turns.py`), and booked once.
        """
        turn = self._turns.find(claim.job.id, claim.job.turn_position)
        if turn is None or turn.state is TurnState.READY:
            return Canceled()
        try:
            now: Snapshot | None = None if project is None else self._observer.look(project)
        except UpstreamError:
            now = None
        booked = None if project is None else booking(turn.position, project.token_id, turn.before, now)
        return Canceled(Learned(billing=bill(claim.job.billing, booked)))

    def _verdict(self, claim: Claim, project: Project, turn: Turn, now: Snapshot, report: TurnReport | None) -> Verdict:
        job = claim.job
        told = _receipt(job, turn, now, report)
        booked = booking(turn.position, project.token_id, turn.before, now)
        learned = Learned(
            receipt=told,
            billing=bill(job.billing, booked),
            booking=booked,
            instruction_index=job.instruction_index + 1,
            version=version_of(project.id, now, position=turn.position),
        )
        failure = None if report is None else self._failure(report)
        if failure is not None:
            if isinstance(failure, CreditsExhausted | RateLimited):
                self._desk.refused(self._desk.for_token(project.token_id), failure)
            return Fail(failure, learned)
        followed = follow_up(job, told, report, changed=now.digest != turn.before.digest, learned=learned)
        if followed is not None:
            return followed
        if job.instruction_index + 1 < len(job.instructions):
            return Advance(Status.INSTRUCTING, learned, {"instruction": job.instruction_index + 1})
        if not job.outputs:
            return Advance(Status.SUCCEEDED, learned)
        return Advance(Status.RENDERING, learned) if now.exportable else Fail(NoTimeline(), learned)


def _receipt(job: Job, turn: Turn, now: Snapshot | None, report: TurnReport | None) -> Mapping[str, Any]:
    return receipt(job.instruction_index + 1, turn.before, now, report, asked=job.turn_text)


def _still_running(before: Snapshot, now: Snapshot) -> bool:
    """Whether the turn is not over yet, as far as the credits tell."""
    return before.reserves_less_than(now)
