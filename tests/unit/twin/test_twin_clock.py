"""Virtual time, driven by a wall clock of the test's own."""

import asyncio
import time

from nemotwin.clock import Clock


class Wall:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_it_runs_as_many_times_faster():
    wall = Wall()
    clock = Clock(start=5000.0, speed=10.0, monotonic=wall)
    wall.now += 3
    assert clock.now() == 5030.0


def test_a_new_speed_does_not_move_the_present():
    wall = Wall()
    clock = Clock(start=0.0, speed=10.0, monotonic=wall)
    wall.now += 1
    clock.set_speed(2.0)
    assert clock.now() == 10.0
    wall.now += 1
    assert clock.now() == 12.0
    assert clock.speed == 2.0


def test_a_jump_wakes_a_sleeper_of_a_very_slow_clock():
    async def run():
        clock = Clock(start=0.0, speed=0.001)
        sleeper = asyncio.create_task(clock.sleep(1000.0))
        await asyncio.sleep(0)
        clock.advance(1000.0)
        await asyncio.wait_for(sleeper, 5)

    asyncio.run(run())


def test_a_jump_too_short_lets_the_sleeper_sleep_on():
    async def run():
        clock = Clock(start=0.0, speed=0.001)
        sleeper = asyncio.create_task(clock.sleep(1000.0))
        await asyncio.sleep(0)
        clock.advance(999.0)
        for _ in range(5):
            await asyncio.sleep(0)
        assert not sleeper.done()
        clock.set_speed(1e6)
        await asyncio.wait_for(sleeper, 5)

    asyncio.run(run())


def test_waiting_tells_an_event_from_a_timeout():
    async def run():
        clock = Clock(start=time.time(), speed=1000.0)
        loop = asyncio.get_running_loop()
        never = loop.create_future()
        assert await clock.wait(never, 1.0) is False
        soon = loop.create_future()
        loop.call_soon(soon.set_result, None)
        assert await clock.wait(soon, 1e9) is True

    asyncio.run(run())


def test_it_tells_when_the_first_sleeper_wakes():
    async def run():
        clock = Clock(start=0.0, speed=0.001)
        assert clock.next is None
        sleepers = [asyncio.create_task(clock.sleep(seconds)) for seconds in (300.0, 100.0)]
        await asyncio.sleep(0)
        assert round(clock.next) == 100
        clock.advance(100.0)
        await sleepers[1]
        assert round(clock.next) == 200
        clock.advance(200.0)
        await sleepers[0]
        assert clock.next is None

    asyncio.run(run())
