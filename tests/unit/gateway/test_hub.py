"""No wake-up is lost, and none is needed."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Collection, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from fakes.loop import soon as becomes
from reelqueue.domain.channels import FEED, JOB
from reelqueue.gateway import hub as hub_module
from reelqueue.gateway.hub import RECONNECTED, Hub


@dataclass(frozen=True)
class Said:
    channel: str
    payload: str


class Listener:
    """Says what the test puts into it. `fail` makes it raise, as a listener with a bug would."""

    def __init__(self) -> None:
        self.said: queue.Queue[Said | Exception | None] = queue.Queue()
        self.closed = False

    def listen(self) -> Iterator[Said | None]:
        while not self.closed:
            try:
                said = self.said.get(timeout=0.01)
            except queue.Empty:
                yield None
                continue
            if isinstance(said, Exception):
                raise said
            yield said

    def close(self) -> None:
        self.closed = True


class Rows:
    """The versions of what is there. `down` makes a look fail."""

    def __init__(self) -> None:
        self.now: dict[str, str] = {"job_a": "1", "job_b": "1"}
        self.looks: list[set[str]] = []
        self.down = False

    def versions(self, keys: Collection[str]) -> dict[str, str]:
        self.looks.append(set(keys))
        if self.down:
            raise RuntimeError("down")
        return {key: self.now[key] for key in keys if key in self.now}


def run(scenario: Any, rows: Rows | None = None) -> None:
    rows = rows or Rows()

    async def main() -> None:
        listeners: list[Listener] = []

        def make() -> Listener:
            listeners.append(Listener())
            return listeners[-1]

        hub = Hub(make, rows.versions)
        hub.start()
        await becomes(lambda: listeners)
        try:
            async with asyncio.timeout(20):
                await scenario(hub, listeners)
        finally:
            await hub.stop()
        assert hub._watches == {}
        assert hub._thread is not None
        assert not hub._thread.is_alive()

    asyncio.run(main())


@pytest.fixture(autouse=True)
def _never_look_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "LOOK_AGAIN_S", 1_000.0)
    monkeypatch.setattr(hub_module, "_RESTART_S", 0.01)


def soon(coroutine: Coroutine[Any, Any, bool]) -> asyncio.Task[bool]:
    return asyncio.create_task(coroutine)


def test_a_notice_wakes_those_who_watch_that_job_only() -> None:
    async def scenario(hub: Hub, listeners: list[Listener]) -> None:
        with hub.watch("job_a") as one, hub.watch("job_a") as two, hub.watch("job_b") as other:
            waits = [soon(watch.changed(1_000)) for watch in (one, two, other)]
            await asyncio.sleep(0.05)
            listeners[0].said.put(Said("another channel", "job_b"))
            listeners[0].said.put(Said(JOB, "job_a"))
            await asyncio.gather(*waits[:2])
            assert not waits[2].done()
            waits[2].cancel()

    run(scenario)


def test_a_notice_between_watching_and_waiting_is_not_lost() -> None:
    async def scenario(hub: Hub, listeners: list[Listener]) -> None:
        with hub.watch("job_a") as watch:
            listeners[0].said.put(Said(JOB, "job_a"))
            await asyncio.sleep(0.1)
            await watch.changed(1_000)

    run(scenario)


async def looked_at(hub: Hub, rows: Rows, listener: Listener, *keys: str) -> None:
    """After a look at the keys, so that their versions are known."""
    listener.said.put(Said(RECONNECTED, ""))
    await becomes(lambda: all(watch._woken.is_set() for key in keys for watch in hub._watches[key]))


def test_after_a_gap_one_look_wakes_those_whose_rows_changed() -> None:
    rows = Rows()

    async def scenario(hub: Hub, listeners: list[Listener]) -> None:
        with hub.watch("job_a") as one, hub.watch("job_b") as two, hub.watch("job_gone") as gone:
            await looked_at(hub, rows, listeners[0], "job_a", "job_b", "job_gone")
            # Nobody had looked before: each may have read an older row.
            assert [await watch.changed(0) for watch in (one, two, gone)] == [True, True, True]
            rows.now["job_a"] = "2"
            looks = len(rows.looks)
            listeners[0].said.put(Said(RECONNECTED, ""))
            assert await one.changed(1_000)
            assert rows.looks[looks:] == [{"job_a", "job_b", "job_gone"}]
            assert [await watch.changed(0) for watch in (two, gone)] == [False, False]
            del rows.now["job_b"]
            listeners[0].said.put(Said(RECONNECTED, ""))
            assert await two.changed(1_000)

    run(scenario, rows)


def test_who_says_what_it_read_is_woken_by_a_look_only_for_another_version() -> None:
    rows = Rows()

    async def scenario(hub: Hub, listeners: list[Listener]) -> None:
        with hub.watch("job_a") as newest, hub.watch("job_a") as older, hub.watch("job_b") as silent:
            newest.saw("1")
            older.saw("0")
            listeners[0].said.put(Said(RECONNECTED, ""))
            assert [await watch.changed(1_000) for watch in (older, silent)] == [True, True]
            assert not await newest.changed(0)
            rows.now["job_a"] = "2"
            listeners[0].said.put(Said(RECONNECTED, ""))
            assert [await watch.changed(1_000) for watch in (newest, older)] == [True, True]
            assert not await silent.changed(0)

    run(scenario, rows)


def test_without_a_notice_a_look_finds_the_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "LOOK_AGAIN_S", 0.01)
    rows = Rows()

    async def scenario(hub: Hub, _: list[Listener]) -> None:
        with hub.watch("job_a") as watch:
            assert await watch.changed(1_000)
            assert not await watch.changed(-1)
            rows.down = True
            looks = len(rows.looks)
            await becomes(lambda: len(rows.looks) > looks + 1)
            rows.down, rows.now["job_a"] = False, "2"
            assert await watch.changed(1_000)

    run(scenario, rows)


def test_a_feed_is_watched_by_its_tenant() -> None:
    async def scenario(hub: Hub, listeners: list[Listener]) -> None:
        with hub.watch("ten_a") as mine, hub.watch("ten_b") as theirs:
            listeners[0].said.put(Said(FEED, "ten_a"))
            assert await mine.changed(1_000)
            assert not await theirs.changed(0)

    run(scenario)


def test_who_is_dismissed_is_woken_and_goes_and_nobody_else() -> None:
    async def scenario(hub: Hub, _: list[Listener]) -> None:
        with hub.watch("job_a") as one, hub.watch("job_a") as other:
            one.dismiss()
            assert await one.changed(1_000)
            assert (one.closing, other.closing) == (True, False)
            assert not await other.changed(0)

    run(scenario)


def test_a_listener_that_fails_is_made_anew() -> None:
    async def scenario(hub: Hub, listeners: list[Listener]) -> None:
        with hub.watch("job_a") as watch:
            listeners[0].said.put(RuntimeError("broken"))
            await becomes(lambda: len(listeners) == 2)
            listeners[1].said.put(Said(JOB, "job_a"))
            await watch.changed(1_000)

    run(scenario)


def test_closing_wakes_everybody() -> None:
    async def scenario(hub: Hub, _: list[Listener]) -> None:
        with hub.watch("job_a") as watch:
            wait = soon(watch.changed(1_000))
            await asyncio.sleep(0.01)
            hub.close()
            await wait
            assert watch.closing

    run(scenario)
