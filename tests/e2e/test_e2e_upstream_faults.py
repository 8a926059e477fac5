"""NemoVideo misbehaves. A turn is paid for at most once, and what cannot be known is said."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from fakes.live_customer import Customer, Customers, File, animate, create
from fakes.live_stack import LiveStack
from fakes.live_twin import Twin
from fixtures.eventually import Eventually


def _token_health(stack: LiveStack, customer: Customer) -> str:
    (row,) = stack.sql("SELECT health FROM upstream_tokens WHERE tenant_id = %s", customer.id)
    return str(row["health"])


def test_an_expired_token_is_set_aside_and_the_job_goes_on_with_one_of_the_pool(
    stack: LiveStack, twin: Twin, customer: Customer, marker: str
) -> None:
    """Nothing was paid for with it, so nothing is lost; and nobody asks with it again."""
    twin.expire(customer.token)
    with twin.settings(instant=True):
        job = customer.succeeded(customer.submit(instruction=create(f"{marker}-first"))["id"])
        assert (job["receipts"][0]["verdict"], len(twin.turns(marker))) == ("changed", 1)
        assert _token_health(stack, customer) == "invalid"
        asked = len(twin.requests(customer.fingerprint))
        customer.succeeded(customer.submit(instruction=create(f"{marker}-second"))["id"])
    assert len(twin.requests(customer.fingerprint)) == asked


def test_a_token_that_dies_at_the_turn_is_not_asked_twice(
    stack: LiveStack, twin: Twin, customer: Customer, marker: str
) -> None:
    with twin.fault("run_sse", 1001):
        job = customer.finished(customer.submit(instruction=create(marker))["id"])
    assert job["error"]["code"] == "upstream_token_invalid"
    assert _token_health(stack, customer) == "invalid"
    assert len(twin.requests(customer.fingerprint, "run_sse")) == 1
    assert twin.turns(marker) == []


def test_streams_cut_mid_turn_are_recovered_with_one_turn_and_one_charge(
    twin: Twin, customer: Customer, photo: File, marker: str
) -> None:
    with ExitStack() as faults:
        for at_byte, reset in ((0, False), (700, False), (2_000, True)):
            faults.enter_context(twin.fault("run_sse", "drop", at_byte=at_byte, reset=reset, work="continuing"))
        faults.enter_context(twin.fault("run_sse", "reset_after", work="continuing"))
        sent = [customer.submit(instruction=animate(f"{marker}-{n}"), files=[photo]) for n in range(4)]
        jobs = [customer.succeeded(job["id"]) for job in sent]
    for number, job in enumerate(jobs):
        assert [(one["recovered"], one["verdict"]) for one in job["receipts"]] == [(True, "changed")], job["receipts"]
        seen = twin.seen(f"{marker}-{number}", "charges")
        assert [turn["outcome"] for turn in seen["turns"]] == ["completed"]
        assert [charge["outcome"] for charge in seen["charges"]] == ["charged"]
    assert len(twin.requests(customer.fingerprint, "run_sse")) == 4


def test_a_turn_that_died_with_its_stream_ends_unknown_and_is_never_sent_again(
    stack: LiveStack, twin: Twin, customer: Customer, marker: str
) -> None:
    with twin.fault("run_sse", "drop", at_byte=700, work="canceled"):
        job = customer.finished(customer.submit(instruction=create(marker))["id"])
    assert job["status"] == "failed"
    assert job["error"]["code"] == "outcome_unknown"
    seen = twin.seen(marker, "charges")
    assert [turn["outcome"] for turn in seen["turns"]] == ["canceled"]
    assert [charge["outcome"] for charge in seen["charges"]] == ["released"]
    assert len(twin.requests(customer.fingerprint, "run_sse")) == 1
    (turn,) = stack.sql("SELECT state, observations FROM turns WHERE job_id = %s", job["id"])
    assert turn["state"] == "unknown"
    assert turn["observations"] >= 4


def test_a_server_error_at_the_turn_is_doubt_not_a_reason_to_send_again(
    twin: Twin, customer: Customer, marker: str
) -> None:
    with twin.fault("run_sse", 503):
        job = customer.finished(customer.submit(instruction=create(marker))["id"])
    assert job["error"]["code"] == "outcome_unknown"
    assert len(twin.requests(customer.fingerprint, "run_sse")) == 1


@pytest.mark.parametrize("endpoint", ["create_session", "upload", "state", "render_submit", "render_status", "cdn"])
def test_what_may_be_repeated_is_repeated(
    twin: Twin, customer: Customer, photo: File, marker: str, endpoint: str
) -> None:
    with twin.settings(instant=True), twin.fault(endpoint, 503, count=2) as fault:
        job = customer.succeeded(customer.submit(instruction=animate(marker), files=[photo])["id"])
        assert twin.struck(fault) == 2
    seen = twin.seen(marker, "uploads", "charges")
    assert [len(seen[kind]) for kind in ("turns", "uploads", "charges")] == [1, 1, 1]
    assert job["receipts"][0]["recovered"] is False


def test_a_storm_of_429_fails_no_job(
    twin: Twin, customer: Customer, photo: File, marker: str, eventually: Eventually
) -> None:
    with ExitStack() as storm:
        storm.enter_context(twin.settings(instant=True))
        uploads = storm.enter_context(twin.fault("upload", 429, count=6))
        turns = storm.enter_context(twin.fault("run_sse", 429, count=6, retry_after="1"))
        early = [customer.submit(instruction=animate(f"{marker}-{n}"), files=[photo]) for n in range(3)]
        eventually(lambda: twin.struck(uploads) > 0, 30)
        # These come while the tenant's own token is to be left alone.
        late = [customer.submit(instruction=animate(f"{marker}-{n}"), files=[photo]) for n in range(3, 6)]
        jobs = [customer.succeeded(job["id"], timeout=90) for job in (*early, *late)]
        assert (twin.struck(uploads), twin.struck(turns)) == (6, 6)
    for number, job in enumerate(jobs):
        assert [receipt["recovered"] for receipt in job["receipts"]] == [False]
        assert len(twin.turns(f"{marker}-{number}")) == 1


def test_an_export_that_the_plan_forbids_fails_the_job_and_keeps_the_draft(
    stack: LiveStack, twin: Twin, customers: Customers, photo: File, marker: str
) -> None:
    customer = customers.make(plan="free")
    with twin.settings(export_rule="free_plan"):
        job = customer.finished(customer.submit(instruction=animate(marker), files=[photo])["id"])
    assert job["status"] == "failed"
    assert job["error"]["code"] == "upstream_export_blocked"
    assert [receipt["verdict"] for receipt in job["receipts"]] == ["changed"]
    seen = twin.seen(marker, "renders", "charges")
    assert [render["accepted"] for render in seen["renders"]] == [False]
    assert job["billing"]["spent"] == seen["charges"][0]["amount"]
    (project,) = stack.sql("SELECT state, session_id FROM projects WHERE tenant_id = %s", customer.id)
    assert project == {"state": "ready", "session_id": seen["turns"][0]["session_id"]}
    assert twin.state_of(project["session_id"], customer.token)["draft"]["t"]


def test_without_credits_nothing_is_sent_twice_and_the_token_is_left_alone(
    stack: LiveStack, twin: Twin, customers: Customers, marker: str
) -> None:
    customer = customers.make(credits=10)
    job = customer.finished(customer.submit(instruction=create(marker))["id"])
    assert job["status"] == "failed"
    assert job["error"]["code"] == "upstream_credits_exhausted"
    assert job["billing"]["spent"] == 0
    assert _token_health(stack, customer) == "exhausted"
    assert len(twin.requests(customer.fingerprint, "run_sse")) == 1
    assert twin.turns(marker) == []
