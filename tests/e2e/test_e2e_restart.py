"""Ctrl-C stops everything that `reelqueue dev` started, and a start on the same directory goes on from there."""

from __future__ import annotations

import hashlib
import json
import signal

from fakes.live_customer import Customer, Customers, create
from fakes.live_stack import ROLES, LiveStack, alive, family
from fakes.live_twin import Twin


def test_a_stop_leaves_no_process_and_a_start_finds_everything(
    stack: LiveStack, twin: Twin, customer: Customer, customers: Customers, marker: str
) -> None:
    before = stack.dev
    assert set(before["pids"]) == ROLES
    with twin.settings(instant=True):
        done = customer.succeeded(customer.submit(instruction=create(f"{marker}-done"))["id"])
    video = customer.http.get(done["links"]["result"]).content
    live = customer.submit(instruction=create(f"{marker}-live"))
    customer.until_streaming(live["id"], f"{marker}-live")
    processes = family(stack.pid)
    assert {process.pid for process in processes} >= set(before["pids"].values())

    assert stack.stop(signal.SIGINT) == 0
    assert [process.cmdline() for process in alive(processes)] == []
    assert not (stack.data / "dev.json").exists()
    assert "The data stay" in stack.output.read_text()

    stack.start()
    customers.services.database.dispose()
    after = stack.dev
    for name in ("base_url", "api_key", "tenant", "webhook_secret", "twin_url", "database_url", "redis_url"):
        assert after[name] == before[name], name
    assert after["pids"] != before["pids"]
    assert customer.job(done["id"]) == done
    again = customer.http.get(done["links"]["result"]).content
    assert hashlib.sha256(again).hexdigest() == hashlib.sha256(video).hexdigest() == done["result"]["sha256"]
    # The stream that was live was heard to its end before its worker went; the rest of the job came after the start.
    live = customer.succeeded(live["id"])
    assert [receipt["recovered"] for receipt in live["receipts"]] == [False]
    assert [turn["outcome"] for turn in stack.twin.turns(f"{marker}-live")] == ["completed"]
    modes = {name: (stack.data / name).stat().st_mode & 0o077 for name in ("dev.json", "secrets.json")}
    assert modes == {"dev.json": 0, "secrets.json": 0}
    assert json.loads((stack.data / "dev.json").read_text())["pids"] == after["pids"]
