"""What one would write in ten lines: sign and post, again and again, over one kept connection.

`python -m benchmarks.bare_sender` reads a plan as JSON from stdin and writes what it did as JSON to stdout.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import httpx
from standardwebhooks import Webhook

from benchmarks.child import ask_child


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to post, and for how long."""

    url: str
    body: str
    secret: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """How many were taken, in what time, and the CPU seconds of the process."""

    count: int
    wall_s: float
    cpu_s: float

    @property
    def rate(self) -> float:
        """Posts a second."""
        return self.count / self.wall_s


def post_bare(plan: Plan) -> Posted:
    """Run a plan in a process of its own. Raises `BenchmarkFailed`."""
    return Posted(**ask_child("benchmarks.bare_sender", asdict(plan)))


def run(plan: Plan) -> Posted:
    """The loop. Raises `httpx.HTTPError`, also for an answer that is no 2xx."""
    webhook = Webhook(plan.secret)
    with httpx.Client(trust_env=False) as client:
        client.post(plan.url, content=plan.body).raise_for_status()
        count, began, cpu = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() < began + plan.seconds:
            now, message_id = datetime.now(UTC), f"msg_{count}"
            headers = {
                "content-type": "application/json",
                "webhook-id": message_id,
                "webhook-timestamp": str(int(now.timestamp())),
                "webhook-signature": webhook.sign(message_id, now, plan.body),
            }
            client.post(plan.url, content=plan.body, headers=headers).raise_for_status()
            count += 1
        return Posted(count=count, wall_s=time.perf_counter() - began, cpu_s=time.process_time() - cpu)


if __name__ == "__main__":
    json.dump(asdict(run(Plan(**json.load(sys.stdin)))), sys.stdout)
