"""The turn that a canceled job left running: what it did, found out by looking, as after a broken stream.

Closing a stream may cancel the work, and may not (contract §6.4). Nothing is sent here. Whatever comes of it is booked
once, in the ledger's own terms.
"""

from __future__ import annotations

from reelqueue.domain.credits import booking
from reelqueue.domain.receipts import receipt
from reelqueue.domain.recoveries import Look, RecoveryClaim, TurnFound
from reelqueue.domain.sessions import Project, ProjectState
from reelqueue.domain.turns import Snapshot, Turn, TurnState
from reelqueue.domain.versions import version_of
from reelqueue.jobs.observe import Observer
from reelqueue.jobs.ports import ProjectStore, TurnStore
from reelqueue.jobs.steps.reconcile import Recipe

SENT = (TurnState.SENDING, TurnState.FINISHED)


class LateTurns:
    """Looks at the sessions of canceled jobs."""

    def __init__(self, *, observer: Observer, projects: ProjectStore, turns: TurnStore, recipe: Recipe) -> None:
        self._observer = observer
        self._projects = projects
        self._turns = turns
        self._recipe = recipe

    def look(self, claim: RecoveryClaim, *, last: bool) -> Look:
        """Read the session once. Raises what the reading raises.

        A change counts once the session stands still and no more credits are reserved than before the turn; without
        one, as many looks as after a broken stream are enough. At the `last` look what is there counts.
        """
        found = self._find(claim)
        if found is None:
            return Look(again_s=None)
        turn, project = found
        now = self._observer.look(project)
        changed = now.digest != turn.before.digest
        settled = claim.seen == now.digest if changed else claim.looks + 1 >= self._recipe.looks
        if last or (settled and not turn.before.reserves_less_than(now)):
            return Look(again_s=None, seen=now.digest, turn=_found(claim, project, turn, now))
        return Look(again_s=self._recipe.first_s if changed else self._recipe.next_s, seen=now.digest)

    def unseen(self, claim: RecoveryClaim) -> Look:
        """Give up without having seen how it came out: the turn may have cost what nobody knows."""
        found = self._find(claim)
        if found is None:
            return Look(again_s=None)
        turn, project = found
        booked = booking(turn.position, project.token_id, turn.before, None)
        return Look(again_s=None, turn=TurnFound(booking=booked, position=turn.position))

    def _find(self, claim: RecoveryClaim) -> tuple[Turn, Project] | None:
        """The turn, and the session it runs in; `None` where there is nothing left to look at."""
        job = claim.job
        turn = self._turns.find(job.id, job.turn_position)
        project = self._projects.find(job.tenant_id, job.project_id or "")
        if turn is None or turn.state not in SENT or project is None or project.state is not ProjectState.READY:
            return None
        return turn, project


def _found(claim: RecoveryClaim, project: Project, turn: Turn, now: Snapshot) -> TurnFound:
    job, changed = claim.job, now.digest != turn.before.digest
    booked = booking(turn.position, project.token_id, turn.before, now)
    if not changed:
        return TurnFound(booking=booked, position=turn.position)
    return TurnFound(
        booking=booked,
        position=turn.position,
        version=version_of(project.id, now, position=turn.position),
        receipt=receipt(job.instruction_index + 1, turn.before, now, turn.report, asked=job.turn_text),
    )
