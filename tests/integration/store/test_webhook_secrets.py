"""A replaced secret signs beside the new one, for as long as its owner says, by the database's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from fakes.job_rows import emptied
from fakes.refusals import refusal
from reelqueue.domain.endpoints import MOST_OLD_SECRETS, EndpointOptions
from reelqueue.domain.signing_keys import public_key
from reelqueue.errors import NotFound, TooManySecrets
from reelqueue.kit.ids import new_id
from reelqueue.kit.sealing import SealBroken
from reelqueue.store.endpoints import Endpoints
from reelqueue.store.receivers import receiver_of
from reelqueue.store.tables import webhook_endpoints
from reelqueue.store.tables import webhook_secrets as table
from reelqueue.store.tenants import Tenants
from reelqueue.store.webhook_secrets import WebhookSecrets

URL = "https://example.com/hook"


@pytest.fixture
def database(module_database):
    return emptied(module_database)


@pytest.fixture
def secrets(database, sealer):
    return WebhookSecrets(database, sealer)


@pytest.fixture
def endpoints(database, sealer):
    return Endpoints(database, sealer)


@pytest.fixture
def make(endpoints):
    def make(tenant, *, asymmetric=False):
        options = EndpointOptions(asymmetric=asymmetric)
        made, secret = endpoints.create(tenant, url=URL, event_types=["*"], description=None, options=options)
        return made.id, secret

    return make


@pytest.fixture
def signing(database, sealer):
    def read(tenant, endpoint_id=None):
        with database.statement() as connection:
            return receiver_of(connection, sealer, tenant_id=tenant, endpoint_id=endpoint_id).secrets

    return read


@pytest.fixture
def pass_time(database):
    """As if this long had passed for all that was replaced."""

    def back(**how):
        with database.statement() as connection:
            connection.execute(update(table).values(expires_at=table.c.expires_at - timedelta(**how)))

    return back


def kept(database, *where):
    with database.statement() as connection:
        return connection.execute(select(func.count()).select_from(table).where(*where)).scalar_one()


def test_the_new_one_comes_first_and_the_old_one_signs_for_a_day(secrets, make, signing, tenant, pass_time):
    endpoint, first = make(tenant)
    second = secrets.rotate(tenant, endpoint)
    assert signing(tenant, endpoint) == (second, first)
    pass_time(hours=23, minutes=59)
    assert signing(tenant, endpoint) == (second, first)
    pass_time(minutes=2)
    assert signing(tenant, endpoint) == (second,)


def test_several_sign_at_a_time_the_newest_first(secrets, make, signing, endpoints, tenant):
    endpoint, first = make(tenant)
    second, third = secrets.rotate(tenant, endpoint), secrets.rotate(tenant, endpoint)
    assert signing(tenant, endpoint) == (third, second, first)
    old = endpoints.find(tenant, endpoint).old_secrets
    assert [(one.scheme, one.public_key) for one in old] == [("v1", None)] * 2
    day = timedelta(days=1)
    assert all(abs(one.expires_at - datetime.now(UTC) - day) < timedelta(minutes=10) for one in old)


def test_a_signing_key_is_replaced_beside_the_secret(secrets, make, signing, endpoints, tenant):
    endpoint, first = make(tenant, asymmetric=True)
    _, key = signing(tenant, endpoint)
    before = endpoints.find(tenant, endpoint)
    assert public_key(key) == before.public_key
    second = secrets.rotate(tenant, endpoint)
    signs = signing(tenant, endpoint)
    assert (signs[0], set(signs[2:])) == (second, {first, key})
    after = endpoints.find(tenant, endpoint)
    assert public_key(signs[1]) == after.public_key != before.public_key
    assert {(one.scheme, one.public_key) for one in after.old_secrets} == {("v1", None), ("v1a", before.public_key)}


def test_without_v1a_its_old_keys_sign_no_more_either(secrets, make, signing, endpoints, tenant):
    endpoint, first = make(tenant, asymmetric=True)
    second = secrets.rotate(tenant, endpoint)
    endpoints.change(tenant, endpoint, {"asymmetric": False})
    assert signing(tenant, endpoint) == (second, first)
    assert endpoints.find(tenant, endpoint).signing == ("v1",)
    again = endpoints.change(tenant, endpoint, {"asymmetric": True})
    assert again.public_key == public_key(signing(tenant, endpoint)[1])
    assert endpoints.change(tenant, endpoint, {"asymmetric": True}).public_key == again.public_key


def test_a_leaked_one_and_all_before_it_end_at_once(secrets, make, signing, database, tenant):
    endpoint, _ = make(tenant, asymmetric=True)
    for _ in range(2):
        secrets.rotate(tenant, endpoint)
    last = secrets.rotate(tenant, endpoint, keep_old_s=0)
    own, key = signing(tenant, endpoint)
    assert (own, key[:5]) == (last, "whsk_")
    assert kept(database) == 0


def test_a_shorter_time_is_one_for_the_older_ones_too(secrets, make, signing, tenant, pass_time):
    endpoint, first = make(tenant)
    second = secrets.rotate(tenant, endpoint)
    third = secrets.rotate(tenant, endpoint, keep_old_s=600)
    assert set(signing(tenant, endpoint)) == {first, second, third}
    pass_time(seconds=601)
    assert signing(tenant, endpoint) == (third,)


def test_a_longer_time_prolongs_none_that_is_old_already(secrets, make, signing, tenant, pass_time):
    endpoint, first = make(tenant)
    second = secrets.rotate(tenant, endpoint, keep_old_s=600)
    third = secrets.rotate(tenant, endpoint)
    assert set(signing(tenant, endpoint)) == {first, second, third}
    pass_time(seconds=601)
    assert signing(tenant, endpoint) == (third, second)


def test_there_is_an_end_to_how_many_sign(secrets, make, signing, tenant, pass_time):
    endpoint, _ = make(tenant)
    for _ in range(MOST_OLD_SECRETS):
        secrets.rotate(tenant, endpoint)
    before = signing(tenant, endpoint)
    with pytest.raises(TooManySecrets):
        secrets.rotate(tenant, endpoint)
    assert signing(tenant, endpoint) == before
    pass_time(days=1)
    assert len({secrets.rotate(tenant, endpoint), *signing(tenant, endpoint)}) == 2


def test_many_at_once_each_have_their_turn(secrets, make, signing, tenant, at_once):
    endpoint, first = make(tenant)
    made = at_once(4, lambda _: secrets.rotate(tenant, endpoint))
    assert set(signing(tenant, endpoint)) == {first, *made}
    assert signing(tenant, endpoint)[0] in made


def test_the_tenants_own_is_replaced_by_itself(secrets, make, signing, database, sealer, tenant, other_tenant):
    endpoint, of_endpoint = make(tenant)
    known = Tenants(database, sealer)
    first, theirs = known.webhook_secret(tenant), known.webhook_secret(other_tenant)
    second = secrets.rotate_default(tenant)
    assert known.webhook_secret(tenant) == second
    assert signing(tenant) == (second, first)
    assert [one.scheme for one in secrets.old_defaults(tenant)] == ["v1"]
    assert signing(tenant, endpoint) == (of_endpoint,)
    assert signing(other_tenant) == (theirs,)
    assert secrets.old_defaults(other_tenant) == ()
    assert secrets.rotate_default(tenant, keep_old_s=0) == signing(tenant)[0]
    assert len(signing(tenant)) == 1


def test_of_two_endpoints_each_signs_with_its_own(secrets, make, signing, tenant):
    one, secret = make(tenant)
    other, untouched = make(tenant)
    new = secrets.rotate(tenant, one)
    assert (signing(tenant, one), signing(tenant, other)) == ((new, secret), (untouched,))


def test_anothers_secret_cannot_be_replaced(secrets, make, signing, endpoints, tenant, other_tenant):
    theirs, secret = make(other_tenant)
    never = refusal(lambda: secrets.rotate(tenant, new_id("webhook_endpoint")))
    assert never["class"] is NotFound
    assert refusal(lambda: secrets.rotate(tenant, theirs)) == never
    assert signing(other_tenant, theirs) == (secret,)
    endpoints.delete(other_tenant, theirs)
    assert refusal(lambda: secrets.rotate(other_tenant, theirs)) == never
    assert refusal(lambda: secrets.rotate_default(new_id("tenant")))["class"] is NotFound


def test_none_is_kept_in_the_clear_and_none_opens_in_anothers_row(
    secrets, make, signing, database, rows, tenant, other_tenant
):
    endpoint, first = make(tenant)
    theirs, _ = make(other_tenant)
    for one in (endpoint, theirs):
        secrets.rotate(tenant if one == endpoint else other_tenant, one)
    with database.statement() as connection:
        ours = connection.execute(select(table).where(table.c.endpoint_id == endpoint)).mappings().one()
        other = connection.execute(select(table).where(table.c.endpoint_id == theirs)).mappings().one()
    assert first.encode() not in ours["secret"]
    rows.write(table, other["id"], secret=ours["secret"])
    with pytest.raises(SealBroken):
        signing(other_tenant, theirs)


def test_what_signs_no_more_is_forgotten(secrets, make, endpoints, database, tenant, pass_time):
    gone, _ = make(tenant)
    stays, _ = make(tenant)
    for one in (gone, stays):
        secrets.rotate(tenant, one)
    endpoints.delete(tenant, gone)
    assert kept(database) == 1
    assert secrets.forget_expired() == 0
    pass_time(days=1)
    assert secrets.forget_expired() == 1
    assert kept(database) == 0


def test_the_database_holds_a_key_to_its_public_half(rows, make, tenant):
    endpoint, _ = make(tenant)
    with pytest.raises(Exception, match="keys_are_a_pair"):
        rows.write(webhook_endpoints, endpoint, public_key="whpk_x")
