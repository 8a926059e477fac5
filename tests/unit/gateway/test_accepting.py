"""Many at once, one commit; and each its own outcome."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from fakes.loop import soon
from reelqueue.domain.intake import Accepted, NewJob
from reelqueue.errors import DependencyUnavailable, IdempotencyKeyReused
from reelqueue.gateway.accepting import MOST, Accepting
from reelqueue.gateway.threads import Threads
from reelqueue.store.new_jobs import _job_of


class Store:
    """Commits what it is given while its gate is open."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None

    def accept(self, new: NewJob) -> Accepted:
        raise NotImplementedError

    def replay(self, tenant_id: str, idempotency: Any) -> Any:
        raise NotImplementedError

    def accept_many(self, news: Sequence[NewJob]) -> Sequence[Accepted | Exception]:
        self.batches.append([new.instructions[0] for new in news])
        self.gate.wait(20)
        if self.error is not None:
            raise self.error
        return [
            IdempotencyKeyReused()
            if new.instructions[0] == "reused"
            else Accepted(job=_job_of(new, datetime.now(UTC)), replayed=False)
            for new in news
        ]


def run(store: Store, scenario: Any) -> Any:
    async def main() -> Any:
        threads = Threads(quick=2)
        try:
            async with asyncio.timeout(20):
                return await scenario(Accepting(store, threads))
        finally:
            store.gate.set()
            threads.stop()

    return asyncio.run(main())


def job(words: str) -> NewJob:
    return NewJob(tenant_id="t", instructions=(words,))


def test_what_comes_during_a_commit_shares_the_next() -> None:
    store = Store()
    store.gate.clear()

    async def scenario(accepting: Accepting) -> list[Accepted]:
        first = asyncio.create_task(accepting.accept(job("first")))
        await soon(lambda: store.batches)
        rest = [asyncio.create_task(accepting.accept(job(str(n)))) for n in range(MOST + 3)]
        await asyncio.sleep(0)
        store.gate.set()
        return await asyncio.gather(first, *rest)

    accepted = run(store, scenario)
    assert [len(batch) for batch in store.batches] == [1, MOST, 3]
    # Each got its own.
    assert [one.job.instructions[0] for one in accepted] == ["first", *map(str, range(MOST + 3))]


def test_one_that_may_not_fails_alone() -> None:
    store = Store()

    async def scenario(accepting: Accepting) -> list[Any]:
        wanted = [accepting.accept(job(words)) for words in ("a", "reused", "b")]
        return await asyncio.gather(*wanted, return_exceptions=True)

    outcomes = run(store, scenario)
    assert [type(one) for one in outcomes] == [Accepted, IdempotencyKeyReused, Accepted]


def test_a_failed_commit_fails_all_of_it_and_nothing_after() -> None:
    store = Store()
    store.error = DependencyUnavailable()

    async def scenario(accepting: Accepting) -> None:
        outcomes = await asyncio.gather(*[accepting.accept(job("x")) for _ in range(5)], return_exceptions=True)
        assert {type(one) for one in outcomes} == {DependencyUnavailable}
        store.error = None
        assert isinstance(await accepting.accept(job("y")), Accepted)

    run(store, scenario)


def test_a_request_that_is_given_up_takes_nothing_from_the_others() -> None:
    store = Store()
    store.gate.clear()

    async def scenario(accepting: Accepting) -> None:
        leaving = asyncio.create_task(accepting.accept(job("leaving")))
        await soon(lambda: store.batches)
        staying = asyncio.create_task(accepting.accept(job("staying")))
        await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        store.gate.set()
        assert (await staying).job.instructions == ("staying",)

    run(store, scenario)
    assert store.batches == [["leaving"], ["staying"]]
