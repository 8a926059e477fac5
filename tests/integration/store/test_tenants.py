from __future__ import annotations

import base64

import pytest

from fakes.refusals import refusal
from reelqueue.errors import NotFound, StateConflict, ValidationFailed
from reelqueue.kit.ids import new_id
from reelqueue.kit.sealing import SealBroken
from reelqueue.store.tables import tenants as table
from reelqueue.store.tenants import Tenants


@pytest.fixture
def tenants(database, sealer):
    return Tenants(database, sealer)


def test_a_tenant_is_found_by_id_and_by_name(tenants):
    made = tenants.create("acme", weight=3, max_running=7)
    assert (made.name, made.weight, made.max_running, made.paused) == ("acme", 3, 7, False)
    assert tenants.find(made.id) == tenants.find("acme") == made


def test_an_id_wins_over_a_name_that_looks_like_it(tenants):
    first = tenants.create("acme")
    tenants.create(first.id)
    assert tenants.find(first.id) == first


def test_nobody_is_found_by_another_name(tenants):
    tenants.create("acme")
    for name in ("Acme", "acme ", "", new_id("tenant")):
        with pytest.raises(NotFound):
            tenants.find(name)


def test_a_name_is_taken_once(tenants):
    tenants.create("acme")
    with pytest.raises(StateConflict, match="of that name"):
        tenants.create("acme")


def test_of_many_who_want_one_name_exactly_one_gets_it(tenants, at_once):
    outcomes = at_once(8, lambda _: tenants.create("acme"))
    assert sum(isinstance(outcome, StateConflict) for outcome in outcomes) == 7
    assert [tenant.name for tenant in tenants.list()] == ["acme"]


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "  "}, "/name"),
        ({"name": "a\nb"}, "/name"),
        ({"name": "a\0b"}, "/name"),
        ({"name": "x" * 101}, "/name"),
        ({"weight": 0}, "/weight"),
        ({"max_running": -1}, "/max_running"),
    ],
)
def test_what_means_nothing_is_refused(tenants, wrong, pointer):
    with pytest.raises(ValidationFailed) as caught:
        tenants.create(**{"name": "acme", **wrong})
    assert caught.value.pointer == pointer
    assert tenants.list() == []


def test_all_are_listed_the_oldest_first(tenants):
    made = [tenants.create(name) for name in ("c", "a", "b")]
    assert tenants.list() == sorted(made, key=lambda tenant: tenant.id)


def test_each_has_a_webhook_secret_of_its_own_that_is_not_in_the_row(tenants, rows):
    one, two = tenants.create("one"), tenants.create("two")
    secret = tenants.webhook_secret(one.id)
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    assert secret != tenants.webhook_secret(two.id)
    assert secret.encode() not in rows.read(table, one.id)["webhook_secret"]


def test_a_secret_moved_to_another_tenant_does_not_open(tenants, rows):
    one, two = tenants.create("one"), tenants.create("two")
    rows.write(table, two.id, webhook_secret=rows.read(table, one.id)["webhook_secret"])
    assert tenants.webhook_secret(one.id)
    with pytest.raises(SealBroken):
        tenants.webhook_secret(two.id)


def test_no_tenant_has_no_secret(tenants):
    assert refusal(lambda: tenants.webhook_secret(new_id("tenant")))["class"] is NotFound
