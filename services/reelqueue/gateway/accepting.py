"""Group commit for the event loop: what arrives while a commit is in flight shares the next one.

No timer: a lone job goes out at once. And no thread a request: one call in one thread commits for all who wait, which
takes a third of what it costs to let each of them wait in a thread of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

from reelqueue.domain.intake import Accepted, NewJob
from reelqueue.gateway.threads import Threads
from reelqueue.jobs.submit_ports import Intake
from reelqueue.kit.acting import EVERYBODY, acting_for

MOST: Final = 64
"""Jobs a commit. More would only make the first of them wait longer."""


class Accepting:
    """Commits jobs that bring nothing that must be looked up or kept first. For one event loop."""

    def __init__(self, intake: Intake, threads: Threads) -> None:
        self._intake = intake
        self._threads = threads
        self._waiting: list[tuple[NewJob, asyncio.Future[Accepted]]] = []
        self._committing: asyncio.Task[None] | None = None

    async def accept(self, new: NewJob) -> Accepted:
        """Return when the job is committed. Raises what `Intake.accept` raises."""
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Accepted] = loop.create_future()
        self._waiting.append((new, outcome))
        if self._committing is None:
            # Not one of the requests' own tasks: whoever leaves must not take the others' commit along.
            self._committing = loop.create_task(self._commit())
        return await outcome

    async def _commit(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            outcomes = await self._together([new for new, _ in batch])
            for (_, waiting), outcome in zip(batch, outcomes, strict=True):
                if waiting.done():
                    continue  # its request is gone; the job is there all the same
                if isinstance(outcome, Accepted):
                    waiting.set_result(outcome)
                else:
                    waiting.set_exception(outcome)
        self._committing = None

    async def _together(self, news: Sequence[NewJob]) -> Sequence[Accepted | Exception]:
        try:
            with acting_for(_owner(news)):
                return await self._threads.quick(partial(self._intake.accept_many, news))
        except Exception as error:  # noqa: BLE001 - handed to each request that waits for it
            return [error] * len(news)


def _owner(news: Sequence[NewJob]) -> str:
    """Whose jobs they are. Of several tenants at once only the service can write rows."""
    owners = {new.tenant_id for new in news}
    return owners.pop() if len(owners) == 1 else EVERYBODY
