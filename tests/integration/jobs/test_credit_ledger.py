"""Each settled turn leaves one entry, whoever dies while it is written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from reelqueue.domain.jobs import Status
from reelqueue.domain.upstream import CutReason, TurnCut
from reelqueue.errors import CreditsExhausted, UpstreamUnavailable
from reelqueue.jobs.credits import CreditsReader
from reelqueue.jobs.token_desk import TokenDesk
from reelqueue.kit.clock import SystemClock
from reelqueue.kit.ids import new_id
from reelqueue.store.ledger import Ledger
from reelqueue.store.tables import credit_entries
from reelqueue.store.token_balances import TokenBalances


def entries(plant, job_id):
    statement = select(credit_entries).where(credit_entries.c.job_id == job_id).order_by(credit_entries.c.position)
    with plant.database.statement() as connection:
        return [dict(row) for row in connection.execute(statement).mappings()]


def test_each_turn_is_booked_with_the_balances_around_it(plant):
    job = plant.run(plant.accept("animate this", "add music").id)
    assert [(e["position"], e["spent"], e["before"], e["after"], e["certainty"]) for e in entries(plant, job.id)] == [
        (0, 10, 100, 90, "inferred"),
        (1, 10, 90, 80, "inferred"),
    ]
    assert job.billing.spent == sum(entry["spent"] for entry in entries(plant, job.id))


def test_a_balance_that_cannot_be_read_is_booked_as_unknown(plant):
    def down(_):
        raise UpstreamUnavailable

    plant.studio.balance = down
    job = plant.run(plant.accept().id)
    [entry] = entries(plant, job.id)
    assert (entry["spent"], entry["certainty"], job.billing.certainty) == (0, "unknown", "unknown")


def test_a_turn_that_was_found_by_looking_is_booked_too(plant):
    whole = plant.studio.run_turn

    def cut(*arguments, **named):
        raise TurnCut(reason=CutReason.BROKEN, partial=whole(*arguments, **named))

    plant.studio.run_turn = cut
    job = plant.run(plant.accept().id)
    assert [entry["spent"] for entry in entries(plant, job.id)] == [10]


def test_whoever_dies_no_turn_is_booked_twice_or_not_at_all(plant):
    plant.run(plant.accept().id)
    for place in range(1, len(plant.wire.calls) + 1):
        plant.studio.charged = 0.0
        plant.studio.turns.clear()
        plant.wire.calls.clear()
        plant.wire.kill_at = place
        job = plant.survive(plant.accept().id)
        plant.wire.kill_at = 0
        if job.status is Status.SUCCEEDED:
            assert [entry["spent"] for entry in entries(plant, job.id)] == [plant.studio.charged], place


@pytest.fixture
def reader(plant):
    desk = TokenDesk(plant.tokens, plant.studio, anonymous_client_id=None, clock=SystemClock())
    ledger = Ledger(plant.database)
    return CreditsReader(
        tokens=plant.tokens,
        ledger=ledger,
        balances=TokenBalances(plant.database),
        desk=desk,
        upstream=plant.studio,
        clock=SystemClock(),
        web_url="https://nemovideo.com",
    )


def test_a_tenant_sees_its_own_balance_and_its_own_spending(plant, reader):
    plant.run(plant.accept().id)
    seen = reader.read(plant.tenant)
    assert (seen.source, seen.balance.available, seen.month.spent, seen.month.turns) == ("own", 90, 10, 1)
    assert seen.link == "https://nemovideo.com"
    assert Ledger(plant.database).spent_since(plant.tenant, datetime.now(UTC) + timedelta(days=1)).turns == 0


def test_a_tenant_whose_credits_ran_out_sees_that_and_where_to_get_more(plant, reader):
    def broke(*_, **__):
        raise CreditsExhausted

    plant.studio.run_turn = broke
    plant.studio.charged = 100.0
    plant.tokens.add(None, f"nmv_usr_{new_id('request')}", label="pool")
    plant.run(plant.accept().id)
    seen = reader.read(plant.tenant)
    assert (seen.source, seen.balance.available, seen.link) == ("own", 0, "https://nemovideo.com")


def test_the_balance_of_a_shared_token_is_not_shown(plant, reader):
    plant.tokens.add(None, f"nmv_usr_{new_id('request')}", label="pool")
    other = plant.board.tenant(new_id("tenant"))
    plant.run(plant.accept().id)
    seen = reader.read(other)
    assert (seen.source, seen.balance, seen.token_id, seen.link, seen.month.spent) == ("shared", None, None, None, 0)
