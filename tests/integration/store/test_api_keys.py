from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fakes.refusals import refusal
from reelqueue.domain.api_keys import ParsedKey, admits, parse_key
from reelqueue.errors import NotFound, ValidationFailed
from reelqueue.kit.ids import new_id
from reelqueue.store.api_keys import ApiKeys
from reelqueue.store.tables import api_keys as table

PEPPER = b"p" * 32
NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def keys(database):
    return ApiKeys(database, PEPPER)


def admitted(keys, text, *, now=NOW, pepper=PEPPER):
    parsed = parse_key(text)
    return admits(keys.find(parsed.id), parsed, pepper=pepper, now=now)


def test_a_created_key_opens_the_door_of_its_tenant(keys, tenant):
    made = keys.create(tenant, name="ci", scopes=["jobs:write", "jobs:read"])
    found = keys.find(parse_key(made.text).id)
    assert admitted(keys, made.text)
    assert (found.id, found.tenant_id, found.name) == (made.id, tenant, "ci")
    assert found.scopes == made.scopes == {"jobs:read", "jobs:write"}
    assert found.created_at == made.created_at


def test_the_text_is_nowhere_in_the_row_nor_in_the_repr(keys, tenant, rows):
    made = keys.create(tenant, name="ci", scopes=["jobs:read"])
    secret = parse_key(made.text).secret
    assert secret not in repr(rows.read(table, made.id))
    assert secret not in repr(made)


def test_the_row_is_worth_nothing_without_the_pepper(keys, tenant):
    made = keys.create(tenant, name="ci", scopes=["jobs:read"])
    assert not admitted(keys, made.text, pepper=b"q" * 32)


def test_an_unknown_key_is_none(keys):
    assert keys.find(new_id("api_key")) is None


def test_a_revoked_key_is_refused_for_good(keys, tenant):
    made = keys.create(tenant, name="ci", scopes=["jobs:read"])
    keys.revoke(tenant, made.id)
    first = keys.find(made.id).revoked_at
    assert first is not None
    assert not admitted(keys, made.text)
    keys.revoke(tenant, made.id)
    assert keys.find(made.id).revoked_at == first


def test_an_expired_key_is_refused_from_its_moment_on(keys, tenant):
    made = keys.create(tenant, name="ci", scopes=["jobs:read"], expires_at=NOW + HOUR)
    assert keys.find(made.id).expires_at == NOW + HOUR
    assert admitted(keys, made.text, now=NOW)
    assert not admitted(keys, made.text, now=NOW + HOUR)


def test_anothers_key_cannot_be_told_from_one_that_never_was(keys, tenant, other_tenant):
    made = keys.create(other_tenant, name="ci", scopes=["jobs:read"])
    never = refusal(lambda: keys.revoke(tenant, new_id("api_key")))
    assert refusal(lambda: keys.revoke(tenant, made.id)) == never
    assert never["class"] is NotFound
    assert admitted(keys, made.text)
    assert keys.list(tenant) == []


def test_a_mac_moved_to_another_row_proves_nothing_there(keys, tenant, other_tenant, rows):
    mine, theirs = (keys.create(t, name="ci", scopes=["jobs:read"]) for t in (tenant, other_tenant))
    rows.write(table, theirs.id, mac=rows.read(table, mine.id)["mac"])
    forged = ParsedKey(id=theirs.id, secret=parse_key(mine.text).secret)
    assert not admits(keys.find(theirs.id), forged, pepper=PEPPER, now=NOW)


def test_touch_notes_the_last_use_of_these_keys_only(keys, tenant):
    used, idle = (keys.create(tenant, name=name, scopes=["jobs:read"]) for name in ("used", "idle"))
    keys.touch([used.id, new_id("api_key")])
    keys.touch([])
    assert keys.find(used.id).last_used_at is not None
    assert keys.find(idle.id).last_used_at is None


def test_many_touches_at_once_hinder_nobody(keys, tenant, at_once):
    made = [keys.create(tenant, name="ci", scopes=["jobs:read"]).id for _ in range(20)]
    outcomes = at_once(8, lambda n: keys.touch(made if n % 2 else reversed(made)))
    assert outcomes == [None] * 8
    assert all(key.last_used_at for key in keys.list(tenant))


def test_keys_are_listed_newest_first_per_tenant(keys, tenant, other_tenant):
    made = [keys.create(tenant, name=str(n), scopes=["jobs:read"]).id for n in range(3)]
    keys.create(other_tenant, name="x", scopes=["jobs:read"])
    assert [key.id for key in keys.list(tenant)] == sorted(made, reverse=True)


@pytest.mark.parametrize("scopes", [[], ["jobs:read", "everything"], ["*"]])
def test_unknown_scopes_make_no_key(keys, tenant, scopes):
    with pytest.raises(ValidationFailed) as caught:
        keys.create(tenant, name="ci", scopes=scopes)
    assert caught.value.pointer == "/scopes"
    assert "everything" not in caught.value.message
    assert keys.list(tenant) == []


def test_no_tenant_gets_no_key(keys):
    with pytest.raises(NotFound):
        keys.create(new_id("tenant"), name="ci", scopes=["jobs:read"])
