"""A deploy is invisible: a worker that is told to stop hears its live turns to their end."""

from __future__ import annotations

import signal

import psutil

from fakes.live_customer import Customer, create
from fakes.live_stack import LiveStack
from fakes.live_twin import Twin
from fixtures.eventually import Eventually


def test_a_stream_worker_that_is_told_to_stop_cuts_no_live_turn(
    stack: LiveStack, twin: Twin, customer: Customer, marker: str, eventually: Eventually
) -> None:
    with twin.settings(generation_seconds=(6_000, 6_000)):
        job = customer.submit(instruction=create(f"{marker}-live"))
        customer.until_streaming(job["id"], marker)
    pid = stack.signal("worker-stream", signal.SIGTERM)
    draining = "SELECT 1 FROM workers WHERE node LIKE %s AND state = 'draining'"
    eventually(lambda: stack.sql(draining, f"%.{pid}@%"), 20)
    # What comes now waits for the next worker, or is taken by it.
    later = customer.submit(instruction=create(f"{marker}-later"))
    assert psutil.pid_exists(pid)
    assert [turn["outcome"] for turn in twin.turns(f"{marker}-live")] == ["running"]
    twin.finish_turns(f"{marker}-live")

    job = customer.succeeded(job["id"])
    assert [(one["verdict"], one["recovered"]) for one in job["receipts"]] == [("changed", False)]
    assert job["receipts"][0]["texts"]
    (turn,) = stack.sql("SELECT state, observations, report FROM turns WHERE job_id = %s", job["id"])
    assert (turn["state"], turn["observations"], turn["report"]["end"]) == ("finished", 0, "closed")
    assert [one["disconnected"] for one in twin.turns(f"{marker}-live")] == [False]
    stack.wait_revived("worker-stream", pid)
    customer.succeeded(later["id"])
    assert len(twin.turns(marker)) == 2
