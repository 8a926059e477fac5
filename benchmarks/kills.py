"""What receivers had in the end of a worker that was killed again and again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from benchmarks.consumers import THREADS, WORKER, Consumer, Delivery, delivering
from benchmarks.crew import Site
from benchmarks.feed_reader import FeedReader, check_whole
from benchmarks.figures import Aim, Figure
from benchmarks.patience import Patience
from benchmarks.place import Place
from benchmarks.report import Report
from benchmarks.views import Expected, View, compare
from reelqueue.dev.process import RestartPolicy

EVENTS: Final = 100_000
TENANTS: Final = 200
JOBS: Final = 10
KILL_EVERY_S: Final = 5.0
AT_ONCE: Final = RestartPolicy(first_s=0.1, cap_s=0.1)
"""However often it was killed, it is started again."""
_ALL_SENT: Final = """
SELECT NOT EXISTS (SELECT FROM feed_events WHERE seq IS NULL AND NOT sample)
   AND NOT EXISTS (SELECT FROM messages WHERE state = 'pending')
"""
_WORKING: Final = "SELECT count(*) FROM workers WHERE node LIKE %s AND state = 'working'"


def measure(place: Place, patience: Patience, *, quick: bool) -> Report:
    """Tell of everything as fast as may be, kill until all of it is delivered, and compare."""
    site, (events, tenants) = Site(place, "kills"), (1000, 20) if quick else (EVENTS, TENANTS)
    with (
        delivering(site, patience, more=[site.gateway()], policy=AT_ONCE) as delivery,
        ThreadPoolExecutor(1) as aside,
    ):
        consumers = delivery.consumers(tenants, jobs=JOBS)
        began = time.monotonic()
        telling = aside.submit(_tell, delivery, consumers, events // tenants // JOBS)
        kills = _kill_until_done(delivery, telling)
        hooks = delivery.hooks.seen()
        expected = _feeds(delivery, consumers)
    view, seconds = compare(expected, hooks), hooks[-1].at - began
    return _report(view, kills, tenants, events, unheard=telling.result() - len(expected), seconds=seconds)


def _tell(delivery: Delivery, consumers: Sequence[Consumer], each: int) -> int:
    return delivery.announcer.tell_at_once([job for one in consumers for job in one.jobs], each)


def _kill_until_done(delivery: Delivery, telling: Future[int]) -> int:
    """How often the worker was killed before everything was told and delivered."""
    kills, killed = 0, 0

    def done() -> bool:
        return telling.done() and bool(delivery.scalar(_ALL_SENT))

    while not done():
        pid = delivery.crew.pids().get(WORKER)
        if pid is None or pid == killed or not delivery.scalar(_WORKING, f"%.{pid}@%"):
            time.sleep(0.05)
            delivery.patience.check(f"the worker is back after {kills} kills")
            continue
        until = time.monotonic() + KILL_EVERY_S
        while time.monotonic() < until and not done():
            time.sleep(0.2)
        if not done():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            kills, killed = kills + 1, pid
    telling.result()
    return kills


def _feeds(delivery: Delivery, consumers: Sequence[Consumer]) -> dict[str, Expected]:
    """What each tenant reads in its feed, as it reads it. Raises `BenchmarkFailed` for a feed with gaps."""
    found: dict[str, Expected] = {}
    for one in consumers:
        with FeedReader(delivery.site.base_url, one.account) as reader:
            events = [event for page in reader.pages() for event in page]
        check_whole([event["seq"] for event in events], len(events))
        found |= {event["id"]: Expected(one.path, event["job"], event["data"]["seq"]) for event in events}
    return found


def _report(view: View, kills: int, tenants: int, events: int, *, unheard: int, seconds: float) -> Report:
    return Report(
        title="a worker that is killed again and again",
        measured=(
            f"{events:,} events of {tenants} tenants with an endpoint each, told as fast as may be and delivered by a "
            f"webhook worker of {THREADS} threads that gets SIGKILL {KILL_EVERY_S:.0f} s after it has registered, and "
            "is started again, until nothing is pending; then what the receivers had against what the feeds have"
        ),
        figures=[
            Figure(name="kills", value=kills, unit=""),
            Figure(name="events that no feed had", value=unheard, unit="", aim=Aim("at most", 0)),
            Figure(name="events that no receiver had", value=view.missing, unit="", aim=Aim("at most", 0)),
            Figure(name="webhooks of no event", value=view.strangers, unit="", aim=Aim("at most", 0)),
            Figure(name="first tries out of a job's order", value=view.inversions, unit="", aim=Aim("at most", 0)),
            Figure(name="gaps in the endpoints' numbers", value=view.gaps, unit="", aim=Aim("at most", 0)),
            Figure(name="repeats", value=view.repeats, unit=""),
            Figure(name="repeats for a kill", value=view.repeats / max(kills, 1), unit=""),
            Figure(name="events a second, kills included", value=events / seconds, unit="/s"),
        ],
    )
