"""No live job that stands still is ever seen without its reason, and none that is worked on with one."""

from __future__ import annotations

from typing import Any

from fakes.live_customer import TERMINAL, Customer, Customers, File, animate
from fakes.live_stack import LiveStack
from reelqueue.gateway.schemas.why_documents import Why

FINAL = {event.removeprefix("job.") for event in TERMINAL}


def rows(stack: LiveStack, customer: Customer) -> dict[str, dict[str, Any]]:
    statement = "SELECT id, status, dispatch, lease_epoch, moves, bells FROM jobs WHERE tenant_id = %s"
    return {row["id"]: row for row in stack.sql(statement, customer.id)}


def test_whoever_stands_still_says_why_and_nobody_else(
    stack: LiveStack, customers: Customers, photo: File, marker: str
) -> None:
    customer = customers.make(max_running=2)
    asked = f'Animate this photo into a 1-second video, but ask me about the style of "{marker}" first'
    wanted = [asked, *(animate(f"{marker}{number}") for number in range(5))]
    assert all(customer.submit(instruction=one, files=[photo])["waiting"] for one in wanted)
    seen, held = set[str](), 0
    for _ in range(5000):
        before = rows(stack, customer)
        jobs = customer.http.get("/v1/jobs?limit=100").json()["data"]
        after = rows(stack, customer)
        if all(job["status"] in FINAL for job in jobs):
            break
        for job in jobs:
            if before[job["id"]] != after[job["id"]]:
                continue  # it moved while we looked
            dispatch = after[job["id"]]["dispatch"]
            assert (job["waiting"] is None) == (dispatch in ("held", "done")), (dispatch, job)
            held += dispatch == "held"
            seen |= {job["waiting"]["reason"]} if job["waiting"] else set()
            if job["waiting"] and job["waiting"]["reason"] == "answer":
                answer = {"text": "Cinematic, slow zoom."}
                customer.http.post(f"/v1/jobs/{job['id']}/answer", json=answer)
            found = customer.http.get(f"/v1/jobs/{job['id']}/why").json()
            assert (found["blocker"] is None) == (found["state"] != "waiting")
            Why.model_validate(found)
    assert held
    assert {"tenant_cap", "answer"} <= seen
    assert {job["status"] for job in jobs} == {"succeeded"}
