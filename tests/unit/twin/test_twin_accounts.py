"""Tokens, windows and credits, on a clock that the test moves."""

import pytest

from nemotwin.accounts import WEEK, Accounts
from nemotwin.charges import Charges
from nemotwin.clock import Clock
from nemotwin.errors import CodeError, RefusalError
from nemotwin.ledger import Ledger, attributed, fingerprint, headers_of, masked
from nemotwin.settings import Dials, Settings


@pytest.fixture
def clock():
    return Clock(start=1_795_000_000.0, speed=1.0, monotonic=lambda: 0.0)


@pytest.fixture
def dials():
    return Dials(Settings())


@pytest.fixture
def accounts(clock, dials):
    return Accounts(clock=clock, dials=dials)


def status_of(call):
    with pytest.raises(RefusalError) as refusal:
        call()
    return refusal.value.status


def test_an_anonymous_token_lives_a_week_and_has_a_hundred_credits(accounts, clock):
    token = accounts.issue_anonymous("client", "10.0.0.1")
    assert token.value.startswith("nmv_usr_")
    assert token.user_id.startswith("anon_")
    assert token.expires_at == clock.now() + WEEK
    assert token.scopes == ["read", "write", "upload"]
    assert accounts.account_of(token).available == 100


def test_a_client_id_is_needed(accounts):
    assert status_of(lambda: accounts.issue_anonymous(None, "10.0.0.1")) == 400
    assert status_of(lambda: accounts.issue_anonymous("x" * 65, "10.0.0.1")) == 400


def test_one_token_a_client_and_week(accounts, clock):
    first = accounts.issue_anonymous("client", "10.0.0.1")
    clock.advance(WEEK - 1)
    assert status_of(lambda: accounts.issue_anonymous("client", "10.0.0.1")) == 429
    clock.advance(1)
    second = accounts.issue_anonymous("client", "10.0.0.1")
    assert second.value != first.value
    assert second.user_id == first.user_id


def test_an_expired_client_may_come_again_at_once_and_a_revoked_one_not(accounts):
    token = accounts.issue_anonymous("client", "10.0.0.1")
    assert accounts.revoke(token.value)
    assert status_of(lambda: accounts.issue_anonymous("client", "10.0.0.1")) == 429
    assert accounts.expire(token.value)
    accounts.issue_anonymous("client", "10.0.0.1")


def test_the_same_live_token_where_the_settings_say_so(accounts, dials):
    first = accounts.issue_anonymous("client", "10.0.0.1")
    dials.change({"anonymous_repeat": "same_token"})
    assert accounts.issue_anonymous("client", "10.0.0.1") is first


def test_ten_tokens_an_address_and_week(accounts, clock):
    for number in range(10):
        accounts.issue_anonymous(f"client-{number}", "10.0.0.1")
    assert status_of(lambda: accounts.issue_anonymous("client-11", "10.0.0.1")) == 429
    accounts.issue_anonymous("client-11", "10.0.0.2")
    clock.advance(WEEK)
    accounts.issue_anonymous("client-12", "10.0.0.1")


def test_authentication(accounts, clock):
    token = accounts.issue_registered(plan="paid", credits_=10, expires_in=60.0)
    assert accounts.authenticate(f"Bearer {token.value}") is token
    for bad in (None, "", "Bearer ", "Bearer nope", token.value, f"Basic {token.value}"):
        with pytest.raises(CodeError) as refusal:
            accounts.authenticate(bad)
        assert refusal.value.code == 1001
    clock.advance(60)
    with pytest.raises(CodeError):
        accounts.authenticate(f"Bearer {token.value}")
    token.revoked = True
    assert status_of(lambda: accounts.authenticate(f"Bearer {token.value}")) == 401


def test_a_claim_token_opens_nothing(accounts):
    with pytest.raises(CodeError):
        accounts.authenticate(f"Bearer {accounts.issue_claim()}")


def test_credits_are_frozen_and_then_charged_or_released_once(accounts, clock):
    account = accounts.account_of(accounts.issue_anonymous("client", "10.0.0.1"))
    ledger = Ledger(clock=clock)
    charges = Charges(accounts=accounts, ledger=ledger)
    of = {"token": "t", "session_id": "s", "turn_id": "u", "kind": "edit"}
    kept, given_back = charges.freeze(account, 50, of), charges.freeze(account, 30, of)
    assert (account.available, account.frozen) == (20, 80)
    with pytest.raises(CodeError) as refusal:
        charges.freeze(account, 21, of)
    assert refusal.value.code == 2001
    for _ in range(2):
        charges.settle(kept)
        charges.release(given_back)
        charges.release(kept)
    assert (account.available, account.frozen) == (50, 0)
    assert [charge.outcome for charge in ledger.book.charges] == ["charged", "released"]
    assert charges.freeze(account, 0, of) is None


def test_the_ledger_tells_no_token():
    token = "nmv_usr_" + "a" * 32
    assert masked(f"/x?token={token}&y=1") == f"/x?token=token:{fingerprint(token)}&y=1"
    kept = headers_of({"authorization": f"Bearer {token}", "x-debug": token})
    assert token not in str(kept)
    assert "authorization" in kept


def test_attribution_needs_all_three_headers():
    full = {"x-skill-source": "a", "x-skill-version": "1", "x-skill-platform": "b"}
    assert attributed(full)
    for name in full:
        assert not attributed(full | {name: ""})
