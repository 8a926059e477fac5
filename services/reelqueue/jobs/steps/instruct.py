"""`instructing`: one paid agent turn an instruction, sent at most once, ever.

The order is the promise. The session is looked at; what it holds is stored with the turn; the connection is opened;
*then* the intent is committed (`begin_sending`, one row, fenced by the claim); the lease is checked once more; only
then does the first byte leave. From the commit on nobody sends this instruction again. The exceptions are two, and
both are proof held by this very call: no byte of the request was handed to the socket (`NotSent`), or the upstream
refused it by name before it began (429, a dead token). A turn that the token's own limit holds back is told so before
there is a connection: the intent is untouched. Then the turn is made `ready` again under the same epoch.

Everything else that goes wrong after the commit is doubt, and doubt is settled by looking (`reconcile.py`).
"""

from __future__ import annotations

from functools import partial

from reelqueue.domain.claims import Claim
from reelqueue.domain.deadlines import instead_of_a_turn, is_out_of_reach, nothing_sent
from reelqueue.domain.estimates import size_of
from reelqueue.domain.jobs import Job, WaitingReason, is_overdue
from reelqueue.domain.sessions import Project
from reelqueue.domain.tokens import TokenScope
from reelqueue.domain.turns import Snapshot, TurnState
from reelqueue.domain.upstream import TurnControl, TurnCut, TurnLimits
from reelqueue.domain.verdicts import Canceled, Fail, Snooze, Verdict
from reelqueue.domain.versions import version_of
from reelqueue.errors import (
    CreditsExhausted,
    DeadlineUnreachable,
    DependencyUnavailable,
    ExportNotAllowed,
    FileTooLargeUpstream,
    FileUnsupportedUpstream,
    NotSent,
    RateLimited,
    ReelqueueError,
    SessionNotFound,
    TokenBlocked,
    TokenCooling,
    TokenRejected,
    UpstreamError,
    UpstreamForbidden,
    UpstreamRequestInvalid,
    UpstreamThrottled,
)
from reelqueue.jobs.faults import verdict_on
from reelqueue.jobs.lease import Lease
from reelqueue.jobs.live_turns import LiveTurns
from reelqueue.jobs.observe import Observer
from reelqueue.jobs.ports import HistoryStore, TurnStore, Upstream, VersionStore
from reelqueue.jobs.session import SessionKeeper, known_session
from reelqueue.jobs.steps.reconcile import Reconciler
from reelqueue.jobs.token_desk import Pass, TokenDesk
from reelqueue.jobs.turn_log import TurnLog
from reelqueue.kit.clock import Clock

NOT_TAKEN = (
    NotSent,
    RateLimited,
    UpstreamThrottled,
    TokenCooling,
    TokenBlocked,
    TokenRejected,
    UpstreamForbidden,
    SessionNotFound,
    CreditsExhausted,
    ExportNotAllowed,
    FileUnsupportedUpstream,
    FileTooLargeUpstream,
    UpstreamRequestInvalid,
)
"""What proves that a turn was not begun: nothing left us, or the upstream said so by name. All else is doubt."""


CREDITS_AGAIN_S = 300.0
"""How often a job that waits for credits looks at the balance."""


class LeaseTooShort(DependencyUnavailable):
    """The lease might have ended before the instruction left, so it did not leave.

    Ours, and not the upstream's: what keeps a lease from being renewed is the database.
    """


class InstructStep:
    """Runs the turn of the job's next instruction."""

    def __init__(
        self,
        *,
        upstream: Upstream,
        desk: TokenDesk,
        sessions: SessionKeeper,
        turns: TurnStore,
        versions: VersionStore,
        observer: Observer,
        reconciler: Reconciler,
        live: LiveTurns,
        lease: Lease,
        log: TurnLog,
        limits: TurnLimits,
        history: HistoryStore,
        clock: Clock,
    ) -> None:
        self._upstream = upstream
        self._desk = desk
        self._sessions = sessions
        self._turns = turns
        self._versions = versions
        self._observer = observer
        self._reconciler = reconciler
        self._live = live
        self._lease = lease
        self._log = log
        self._limits = limits
        self._history = history
        self._clock = clock

    def run(self, claim: Claim) -> Verdict:
        """Send the instruction, or settle what an earlier sending did."""
        position = claim.job.turn_position
        project = self._sessions.project_of(claim)
        turn = self._turns.find(claim.job.id, position)
        if turn is None or turn.state is TurnState.READY:
            return self._begin(claim, project, position)
        return self._reconciler.settle(claim, project, turn)

    def _begin(self, claim: Claim, project: Project | None, position: int) -> Verdict:
        if is_overdue(claim.job, self._clock.now()):
            return instead_of_a_turn(claim.job)
        if project is not None:
            self._desk.not_blocked(project.token_id)
        project, before = self._filled(claim, project, position)
        # Filling a session takes minutes. Behind this line the job costs something and is seen through.
        if self._is_hopeless(claim.job):
            return Fail(DeadlineUnreachable())
        if not self._may_have_credits(claim, project, before):
            return _wait_for_credits(claim.job.waiting.detail if claim.job.waiting else None)
        self._turns.prepare(claim, position, before)
        if before.exportable and (found := version_of(project.id, before, position=None)) is not None:
            self._versions.note(claim, found)
        return self._send(claim, project, position, before)

    def _is_hopeless(self, job: Job) -> bool:
        """Whether a job that has cost nothing yet would be late whatever it did."""
        if job.finish_by is None or not nothing_sent(job):
            return False
        return is_out_of_reach(job, self._history.of(job.tenant_id, size_of(job)), self._clock.now())

    def _may_have_credits(self, claim: Claim, project: Project, before: Snapshot) -> bool:
        """False while a job that waits for credits sees no more of them than when it was refused."""
        waiting = claim.job.waiting
        if waiting is None or waiting.reason is not WaitingReason.CREDITS:
            return True
        if before.available is None or before.available <= float(waiting.detail or 0):
            return False
        self._desk.funded(self._desk.for_token(project.token_id))
        return True

    def _filled(self, claim: Claim, project: Project | None, position: int) -> tuple[Project, Snapshot]:
        """The session with all inputs in it, and a look at it.

        Before the first turn nothing is lost with a session: it is made again. A making that broke off half way is
        found here too, so that no instruction is ever paid for in a session that lacks an input.
        """
        if project is not None:
            try:
                if position == 0:
                    self._sessions.fill(claim, project)
                return project, self._observer.look(project)
            except SessionNotFound:
                if position > 0:
                    raise
        elif position > 0:
            raise SessionNotFound
        project = self._sessions.rebuilt(claim, project)
        return project, self._observer.look(project)

    def _send(self, claim: Claim, project: Project, position: int, before: Snapshot) -> Verdict:
        used = self._desk.for_token(project.token_id)

        def gate() -> None:
            self._turns.begin_sending(claim, position)
            if not self._lease.is_good_for(claim.worker_id):
                raise LeaseTooShort

        control = TurnControl(gate, self._limits)
        try:
            look = partial(self._observer.look, project)
            with self._live.listening(claim.job.id, control), self._log.listening(claim, before, look) as on_progress:
                report = self._upstream.run_turn(
                    used.credential,
                    session_id=known_session(project),
                    text=claim.job.turn_text,
                    control=control,
                    on_progress=on_progress,
                )
        except TurnCut as cut:
            return self._reconciler.after_cut(claim, project, aborted=control.aborted, partial=cut.partial)
        except (LeaseTooShort, *NOT_TAKEN) as error:
            verdict = self._not_taken(claim, position, used, before, error)
            return Canceled() if control.aborted else verdict
        except UpstreamError:
            # Not on the list, so it proves nothing, whatever the client meant by it.
            return self._reconciler.after_cut(claim, project, aborted=control.aborted, partial=None)
        turn = self._turns.finish(claim, position, report)
        self._desk.allowed(used, TokenScope.WRITE)
        return self._reconciler.settle(claim, project, turn)

    def _not_taken(self, claim: Claim, position: int, used: Pass, before: Snapshot, error: ReelqueueError) -> Verdict:
        """No byte left, or the upstream refused by name: the instruction was not carried out.

        Where the gate had committed the intent, this call is the one that may take it back.
        """
        turn = self._turns.find(claim.job.id, position)
        if turn is not None and turn.state is TurnState.SENDING:
            self._turns.reopen(claim, position)
        refreshed = isinstance(error, UpstreamError) and self._desk.refused(used, error)
        match error:
            case TokenRejected() if refreshed:
                return Snooze(0, WaitingReason.RETRY)
            case NotSent() | LeaseTooShort() | RateLimited():
                return verdict_on(error)
            case CreditsExhausted() if claim.job.policies.on_no_credits == "wait":
                return _wait_for_credits(None if before.available is None else str(before.available))
        return Fail(error)


def _wait_for_credits(too_few: str | None) -> Snooze:
    """Wait for more credits than the turn was refused with. Only the balance is read until it has grown past them."""
    return Snooze(CREDITS_AGAIN_S, WaitingReason.CREDITS, detail=too_few)
