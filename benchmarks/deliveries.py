"""How fast one webhook worker delivers, beside a loop that only signs and posts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.bare_sender import Plan, Posted, post_bare
from benchmarks.consumers import WORKER, Consumer, Delivery, delivering
from benchmarks.crew import Site
from benchmarks.figures import Aim, Figure, mean, per
from benchmarks.patience import Patience
from benchmarks.place import Place
from benchmarks.report import Cell, Report, Table
from benchmarks.usage import read_cpu
from reelqueue.webhooks.signing import generate_secret

TENANTS: Final = 20
JOBS: Final = 25
WARM: Final = 100
"""What is imported, compiled and connected at the first deliveries is not measured."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """So many in so many seconds, from the first to the last, and the CPU seconds of each process meanwhile."""

    count: int
    wall_s: float
    cpu_s: dict[str, float]

    @property
    def rate(self) -> float:
        """Deliveries a second."""
        return self.count / self.wall_s


def measure(place: Place, patience: Patience, *, quick: bool) -> Report:
    """The loop and the worker in turn, to the same receivers, with bodies of the same length."""
    site, rounds = Site(place, "deliveries"), 1 if quick else 3
    each, seconds = (1, 0.5) if quick else (10, 3.0)
    bare: list[Posted] = []
    ours: list[Delivered] = []
    with delivering(site, patience) as delivery:
        consumers = delivery.consumers(TENANTS, jobs=JOBS)
        delivery.announcer.tell_at_once([job for one in consumers for job in one.jobs][:WARM], 1)
        delivery.hooks.wait(WARM, patience)
        body = delivery.hooks.body()
        plan = Plan(url=delivery.hooks.url("/hook/bare"), body=body, secret=generate_secret(), seconds=seconds)
        for _ in range(rounds):
            bare.append(post_bare(plan))
            ours.append(_drain(delivery, consumers, each))
            patience.check("the next round")
    return _report(bare, ours, len(body.encode()))


def _drain(delivery: Delivery, consumers: Sequence[Consumer], each: int) -> Delivered:
    """Write a backlog while the worker is stopped, let it go, and wait for the last one."""
    hooks, before = delivery.hooks, delivery.hooks.count()
    with delivery.standing_still():
        count = delivery.announcer.tell_at_once([job for one in consumers for job in one.jobs], each)
        cpu = read_cpu(delivery.pids())
    hooks.wait(before + count, delivery.patience)
    used = read_cpu(delivery.pids()).since(cpu)
    moments = [hook.at for hook in hooks.seen(before)]
    return Delivered(len(moments) - 1, moments[-1] - moments[0], used)


def _report(bare: Sequence[Posted], ours: Sequence[Delivered], body_bytes: int) -> Report:
    bare_rate, rate = mean([one.rate for one in bare]), mean([one.rate for one in ours])
    count = sum(one.count for one in ours)
    cpu_s = {name: sum(one.cpu_s.get(name, 0.0) for one in ours) for name in ours[0].cpu_s}
    rows: list[tuple[Cell, ...]] = [
        (f"round {number}", there.rate, here.rate, here.rate / there.rate)
        for number, (there, here) in enumerate(zip(bare, ours, strict=True), 1)
    ]
    bare_ms = 1000 * per(sum(one.cpu_s for one in bare), sum(one.count for one in bare))
    return Report(
        title="delivering",
        measured=(
            f"{ours[0].count + 1:,} waiting events of {TENANTS} tenants with an endpoint each, delivered by one "
            "webhook worker process to a receiver that answers at once, from the first POST to the last, each try "
            f"written down; in turn with one httpx.Client that signs and posts the same body of {body_bytes:,} bytes"
        ),
        figures=[
            Figure(name="deliveries", value=rate, unit="/s"),
            Figure(
                name="deliveries in a second of the worker's CPU",
                value=per(count, cpu_s[WORKER]),
                unit="/s",
                aim=Aim("at least", 600),
            ),
            Figure(name="CPU of the worker for one", value=1000 * per(cpu_s[WORKER], count), unit="ms"),
            Figure(name="the bare loop", value=bare_rate, unit="/s"),
            Figure(name="deliveries beside the bare loop", value=rate / bare_rate, unit="x", aim=Aim("at least", 0.5)),
        ],
        tables=[
            Table(title="rounds", columns=("round", "bare loop /s", "deliveries/s", "ratio"), rows=rows),
            Table(
                title="CPU for one",
                columns=("process", "ms"),
                rows=[("bare loop", bare_ms), *((name, 1000 * used / count) for name, used in sorted(cpu_s.items()))],
            ),
        ],
    )
