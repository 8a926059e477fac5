from __future__ import annotations

import dataclasses
import random
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reelqueue.domain.api_keys import ApiKey, admits, mac, make_key, parse_key
from reelqueue.kit.ids import new_id

PEPPER = b"p" * 32
KEY_ID = new_id("api_key")
NOW = datetime(2026, 3, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)

randoms = st.binary(min_size=32, max_size=32)


def kept(text: str, **changes) -> ApiKey:
    parsed = parse_key(text)
    assert parsed is not None
    key = ApiKey(
        id=parsed.id,
        tenant_id=new_id("tenant"),
        name="ci",
        mac=mac(PEPPER, parsed.id, parsed.secret),
        scopes=frozenset({"jobs:read"}),
        created_at=NOW,
        expires_at=None,
        revoked_at=None,
        last_used_at=None,
    )
    return dataclasses.replace(key, **changes)


def test_a_key_reads_as_the_design_says():
    text = make_key(bytes(range(32)), key_id=KEY_ID, pepper=PEPPER).text
    assert re.fullmatch(r"rq_[0-9a-z]{26}_[0-9A-Za-z]{38}", text)
    assert text.startswith(f"rq_{KEY_ID[4:]}_")


@given(randoms)
def test_what_was_made_is_parsed_and_proven(chance):
    key = make_key(chance, key_id=KEY_ID, pepper=PEPPER)
    parsed = parse_key(key.text)
    assert parsed is not None
    assert parsed.id == key.id == KEY_ID
    assert mac(PEPPER, parsed.id, parsed.secret) == key.mac


@given(randoms, randoms)
def test_other_chance_gives_another_secret(one, two):
    assume(one != two)
    assert make_key(one, key_id=KEY_ID, pepper=PEPPER).text != make_key(two, key_id=KEY_ID, pepper=PEPPER).text


def test_a_secret_carries_at_least_128_bits():
    # All 32 characters of the secret take part, each over all of base 62.
    dice = random.Random(7)
    made = [make_key(dice.randbytes(32), key_id=KEY_ID, pepper=PEPPER) for _ in range(400)]
    secrets = [parse_key(key.text).secret for key in made]
    assert all(len({secret[place] for secret in secrets}) > 50 for place in range(32))


def test_too_little_chance_is_refused():
    with pytest.raises(ValueError, match="32 random bytes"):
        make_key(bytes(16), key_id=KEY_ID, pepper=PEPPER)


@given(randoms, st.data())
def test_a_mistyped_character_anywhere_is_refused(chance, data):
    text = make_key(chance, key_id=KEY_ID, pepper=PEPPER).text
    place = data.draw(st.integers(0, len(text) - 1))
    typed = data.draw(st.characters())
    assume(typed != text[place])
    assert parse_key(text[:place] + typed + text[place + 1 :]) is None


@given(randoms, st.data())
def test_two_swapped_neighbours_are_refused(chance, data):
    text = make_key(chance, key_id=KEY_ID, pepper=PEPPER).text
    place = data.draw(st.integers(0, len(text) - 2))
    assume(text[place] != text[place + 1])
    assert parse_key(text[:place] + text[place + 1] + text[place] + text[place + 2 :]) is None


@given(st.text(max_size=100))
def test_no_text_at_all_breaks_the_parser(text):
    assert parse_key(text) is None


@pytest.mark.parametrize("around", ["{} ", " {}", "{}\n", "{}0", "Bearer {}", "{}\0"])
def test_nothing_may_stand_around_a_key(around):
    text = make_key(bytes(32), key_id=KEY_ID, pepper=PEPPER).text
    assert parse_key(text) is not None
    assert parse_key(around.format(text)) is None


def test_the_mac_depends_on_pepper_id_and_secret():
    other_id = KEY_ID[:-1] + ("y" if KEY_ID.endswith("z") else "z")
    macs = {
        mac(PEPPER, KEY_ID, "s"),
        mac(b"q" * 32, KEY_ID, "s"),
        mac(PEPPER, other_id, "s"),
        mac(PEPPER, KEY_ID, "t"),
    }
    assert len(macs) == 4


def test_a_live_key_is_admitted_and_its_neighbours_are_not():
    text = make_key(bytes(32), key_id=KEY_ID, pepper=PEPPER).text
    parsed = parse_key(text)
    key = kept(text)
    assert admits(key, parsed, pepper=PEPPER, now=NOW)
    assert not admits(None, parsed, pepper=PEPPER, now=NOW)
    assert not admits(key, parsed, pepper=b"q" * 32, now=NOW)
    assert not admits(key, dataclasses.replace(parsed, secret="0" * 31 + "1"), pepper=PEPPER, now=NOW)
    assert not admits(kept(text, id=new_id("api_key")), parsed, pepper=PEPPER, now=NOW)


def test_an_expired_key_is_not_admitted_from_its_moment_on():
    text = make_key(bytes(32), key_id=KEY_ID, pepper=PEPPER).text
    key = kept(text, expires_at=NOW)
    assert admits(key, parse_key(text), pepper=PEPPER, now=NOW - SECOND)
    assert not admits(key, parse_key(text), pepper=PEPPER, now=NOW)
    assert not admits(key, parse_key(text), pepper=PEPPER, now=NOW + SECOND)


def test_a_revoked_key_is_not_admitted():
    text = make_key(bytes(32), key_id=KEY_ID, pepper=PEPPER).text
    assert not admits(kept(text, revoked_at=NOW), parse_key(text), pepper=PEPPER, now=NOW - SECOND)


def test_no_repr_shows_a_secret():
    key = make_key(b"canary-canary-canary-canary-can!", key_id=KEY_ID, pepper=PEPPER)
    parsed = parse_key(key.text)
    shown = repr(key) + repr(parsed) + repr(kept(key.text))
    assert parsed.secret not in shown
    assert repr(key.mac) not in shown
