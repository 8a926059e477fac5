"""What no shared stack can stand: a shared pool without a token, and a database that is killed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fakes.live_customer import Customer, Customers, create, new_marker
from fakes.live_stack import LiveStack, family
from fixtures.eventually import Eventually

pytestmark = pytest.mark.timeout(240)

CLIENT_ID = "one-tenant-on-trial"
TOKENS = "SELECT id, kind, health, generation FROM upstream_tokens WHERE tenant_id IS NULL ORDER BY id"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    """Its workers may fetch an anonymous token when there is no other."""
    live = LiveStack(
        tmp_path_factory.mktemp("own") / "stack",
        speed=150,
        environment={"NEMO_ALLOW_ANONYMOUS": "true", "NEMO_CLIENT_ID": CLIENT_ID},
    )
    try:
        live.start()
        live.twin.set(anonymous_credits=100_000, instant=True)
        yield live
    finally:
        live.stop()
    assert live.leaks() == []


@pytest.fixture(scope="module")
def own_customers(own: LiveStack) -> Iterator[Customers]:
    made = Customers(own)
    yield made
    made.close()


@pytest.fixture(scope="module")
def guest(own: LiveStack, own_customers: Customers) -> Customer:
    """The one tenant there is, its own token gone, on a stack whose pool has only what was fetched."""
    # A second tenant would end the trial, so the one that the stack came with has to go.
    for table in ("api_keys", "upstream_tokens", "flows", "tenants"):
        own.sql(f"DELETE FROM {table}")
    customer = own_customers.make()
    own.sql("UPDATE upstream_tokens SET health = 'invalid' WHERE kind = 'supplied'")
    return customer


def _anonymous(own: LiveStack) -> dict[str, Any]:
    (token,) = [row for row in own.sql(TOKENS) if row["kind"] == "anonymous"]
    return token


def _asked(own: LiveStack) -> int:
    """How often an anonymous token was asked for, whether or not one was given."""
    return len([line for line in own.twin.ledger("requests")["requests"] if line["endpoint"] == "anonymous_token"])


def test_one_anonymous_token_is_fetched_and_one_when_it_dies_however_many_jobs_meet_that(
    own: LiveStack, own_customers: Customers, guest: Customer, marker: str, eventually: Eventually
) -> None:
    before, known = _asked(own), len([row for row in own.sql(TOKENS) if row["kind"] == "anonymous"])
    sent = [guest.submit(instruction=create(f"{marker}-first-{number}"))["id"] for number in range(6)]
    for job_id in sent:
        guest.succeeded(job_id)
    assert _asked(own) == before + 1 - known
    token = _anonymous(own)

    secret = own_customers.services.tokens.credential(token["id"]).token
    own.canaries.add(secret)
    # Six workers have asked with it when it dies, and hear of it together.
    with own.twin.fault("create_session", "hang", seconds=36_000, count=6) as hang:
        sent = [guest.submit(instruction=create(f"{marker}-second-{number}"))["id"] for number in range(6)]
        eventually(lambda: own.twin.struck(hang) == 6, 20)
        own.twin.expire(secret)
        own.twin.advance(36_000)
    for job_id in sent:
        guest.succeeded(job_id)
    assert _asked(own) == before + 2 - known
    assert _anonymous(own) == {**token, "health": "ok", "generation": token["generation"] + 1}
    own.canaries.add(own_customers.services.tokens.credential(token["id"]).token)
    messages = [turn["message"] for turn in own.twin.turns(marker)]
    assert len(messages) == len(set(messages)) == 12


def test_an_anonymous_token_that_dies_at_the_turn_is_renewed_and_the_turn_runs_once(
    own: LiveStack, own_customers: Customers, guest: Customer, marker: str, eventually: Eventually
) -> None:
    guest.succeeded(guest.submit(instruction=create(f"{marker}-first"))["id"])
    secret = own_customers.services.tokens.credential(_anonymous(own)["id"]).token
    own.canaries.add(secret)
    with own.twin.fault("run_sse", "hang", seconds=36_000) as hang:
        job = guest.submit(instruction=create(f"{marker}-second"))
        eventually(lambda: own.twin.struck(hang) == 1, 20)
        own.twin.expire(secret)
        own.twin.advance(36_000)
    job = guest.succeeded(job["id"])
    assert [receipt["recovered"] for receipt in job["receipts"]] == [False]
    assert len(own.twin.turns(marker)) == 2


def test_while_the_only_token_cools_new_jobs_wait_and_no_other_is_fetched(
    own: LiveStack, guest: Customer, marker: str, eventually: Eventually
) -> None:
    guest.succeeded(guest.submit(instruction=create(f"{marker}-first"))["id"])
    asked = _asked(own)
    with own.twin.fault("create_session", 429, retry_after="3") as fault:
        early = guest.submit(instruction=create(f"{marker}-early"))
        eventually(lambda: own.twin.struck(fault) == 1, 20)
        eventually(lambda: _anonymous(own)["health"] == "cooling", 20)
        late = guest.submit(instruction=create(f"{marker}-late"))
        waiting = eventually(lambda: guest.job(late["id"])["waiting"], 10)
        assert waiting["reason"] == "token_cooling"
        for job in (early, late):
            guest.succeeded(job["id"])
    assert _asked(own) == asked
    assert len(own.twin.turns(marker)) == 3


def test_a_killed_database_costs_time_and_nothing_else(
    own: LiveStack, own_customers: Customers, eventually: Eventually
) -> None:
    customer, marker = own_customers.make(), new_marker()
    with own.twin.settings(instant=False):
        sent = [customer.submit(instruction=create(f"{marker}-{number}"))["id"] for number in range(6)]
        customer.until_streaming(sent[0], marker)
        late = {"instruction": create(f"{marker}-late"), "headers": {"Idempotency-Key": marker}}
        with own.unattended():
            pid = own.pid_of("postgres")
            # Its children too: they go on serving for a moment without their postmaster.
            for process in family(pid):
                process.kill()
            refused = customer.post(**late)
        sent.append(
            eventually(lambda: (answer := customer.post(**late)).status_code == 202 and answer.json(), 60)["id"]
        )
        own.wait_revived("postgres", pid)
        own_customers.services.database.dispose()
        jobs = [customer.finished(job_id, timeout=90) for job_id in sent]
    assert (refused.status_code, refused.json()["code"]) == (503, "service_unavailable")
    assert int(refused.headers["retry-after"]) >= 1
    assert [job["error"] for job in jobs if job["status"] != "succeeded"] == []
    messages = [turn["message"] for turn in own.twin.turns(marker)]
    assert len(messages) == len(set(messages)) == 7
    own.wait_ready()
