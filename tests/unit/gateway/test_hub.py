"""No wake-up is lost, and none is needed."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from fakes.loop import soon as becomes
from reelqueue.gateway import hub as hub_module
from reelqueue.gateway.hub import CHANNEL, RECONNECTED, Hub


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


def run(scenario: Any) -> None:
    async def main() -> None:
        listeners: list[Listener] = []

        def make() -> Listener:
            listeners.append(Listener())
            return listeners[-1]

        hub = Hub(make)
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


def soon(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    return asyncio.create_task(coroutine)


def test_a_notice_wakes_those_who_watch_that_job_only() -> None:
    async def scenario(hub: Hub, listeners: list[Listener]) -> None:
        with hub.watch("job_a") as one, hub.watch("job_a") as two, hub.watch("job_b") as other:
            waits = [soon(watch.changed(1_000)) for watch in (one, two, other)]
            await asyncio.sleep(0.05)
            listeners[0].said.put(Said("another channel", "job_b"))
            listeners[0].said.put(Said(CHANNEL, "job_a"))
            await asyncio.gather(*waits[:2])
            assert not waits[2].done()
            waits[2].cancel()

    run(scenario)


def test_a_notice_between_watching_and_waiting_is_not_lost() -> None:
    async def scenario(hub: Hub, listeners: list[Listener]) -> None:
        with hub.watch("job_a") as watch:
            listeners[0].said.put(Said(CHANNEL, "job_a"))
            await asyncio.sleep(0.1)
            await watch.changed(1_000)

    run(scenario)


def test_after_a_gap_everybody_looks() -> None:
    async def scenario(hub: Hub, listeners: list[Listener]) -> None:
        with hub.watch("job_a") as one, hub.watch("job_b") as two:
            waits = [soon(one.changed(1_000)), soon(two.changed(1_000))]
            await asyncio.sleep(0.05)
            listeners[0].said.put(Said(RECONNECTED, ""))
            await asyncio.gather(*waits)

    run(scenario)


def test_without_a_notice_it_looks_again_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "LOOK_AGAIN_S", 0.01)

    async def scenario(hub: Hub, _: list[Listener]) -> None:
        with hub.watch("job_a") as watch:
            await watch.changed(1_000)
            await watch.changed(-1)

    run(scenario)


def test_a_listener_that_fails_is_made_anew() -> None:
    async def scenario(hub: Hub, listeners: list[Listener]) -> None:
        with hub.watch("job_a") as watch:
            listeners[0].said.put(RuntimeError("broken"))
            await becomes(lambda: len(listeners) == 2)
            listeners[1].said.put(Said(CHANNEL, "job_a"))
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
