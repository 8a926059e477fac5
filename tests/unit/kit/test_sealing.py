from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelqueue.kit.sealing import SealBroken, Sealer, derive

MASTER = bytes(range(32))
PLACE = "ten_1|upstream_tokens|secret|tok_1"


def test_what_was_sealed_opens_again():
    sealer = Sealer(MASTER)
    assert sealer.open(sealer.seal(b"nmv_usr_canary", aad=PLACE), aad=PLACE) == b"nmv_usr_canary"


@given(st.binary(max_size=200), st.text(max_size=50))
def test_every_secret_opens_in_its_place(secret, aad):
    aad = aad.encode("utf-8", "replace").decode()
    sealer = Sealer(MASTER)
    assert sealer.open(sealer.seal(secret, aad=aad), aad=aad) == secret


def test_sealing_twice_gives_two_envelopes_and_neither_shows_the_secret():
    sealer = Sealer(MASTER)
    one, two = (sealer.seal(b"nmv_usr_canary", aad=PLACE) for _ in range(2))
    assert one != two
    assert b"canary" not in one + two


@pytest.mark.parametrize(
    "elsewhere",
    [
        "ten_2|upstream_tokens|secret|tok_1",
        "ten_1|webhook_endpoints|secret|tok_1",
        "ten_1|upstream_tokens|fingerprint|tok_1",
        "ten_1|upstream_tokens|secret|tok_2",
        "",
    ],
)
def test_an_envelope_opens_nowhere_else(elsewhere):
    sealer = Sealer(MASTER)
    with pytest.raises(SealBroken):
        sealer.open(sealer.seal(b"secret", aad=PLACE), aad=elsewhere)


def test_every_flipped_bit_is_noticed():
    sealer = Sealer(MASTER)
    sealed = sealer.seal(b"secret", aad=PLACE)
    for position in range(len(sealed) * 8):
        damaged = bytearray(sealed)
        damaged[position // 8] ^= 1 << position % 8
        with pytest.raises(SealBroken):
            sealer.open(bytes(damaged), aad=PLACE)


@given(st.binary(max_size=80))
def test_what_is_no_envelope_is_refused(noise):
    with pytest.raises(SealBroken):
        Sealer(MASTER).open(noise, aad=PLACE)


def test_every_shortened_envelope_is_refused():
    sealer = Sealer(MASTER)
    sealed = sealer.seal(b"secret", aad=PLACE)
    for length in range(len(sealed)):
        with pytest.raises(SealBroken):
            sealer.open(sealed[:length], aad=PLACE)


def test_the_envelope_is_version_key_id_nonce_ciphertext():
    sealed = Sealer(MASTER).seal(b"12345", aad=PLACE)
    assert sealed[:1] == b"\x01"
    assert sealed[1:5] == Sealer(MASTER).seal(b"other", aad="")[1:5]
    assert len(sealed) == 1 + 4 + 12 + 5 + 16


def test_a_retired_key_still_opens_and_no_longer_seals():
    old, new = bytes(32), MASTER
    sealed = Sealer(old).seal(b"secret", aad=PLACE)
    with pytest.raises(SealBroken):
        Sealer(new).open(sealed, aad=PLACE)
    both = Sealer(new, retired=[old])
    assert both.open(sealed, aad=PLACE) == b"secret"
    assert Sealer(new).open(both.seal(b"secret", aad=PLACE), aad=PLACE) == b"secret"


def test_a_broken_seal_tells_nothing_of_its_secret():
    sealer = Sealer(MASTER)
    with pytest.raises(SealBroken) as caught:
        sealer.open(sealer.seal(b"canary", aad=PLACE), aad="elsewhere")
    assert "canary" not in repr(caught.value) + str(caught.value) + repr(caught.value.__cause__)
    assert "elsewhere" not in str(caught.value)


def test_keys_differ_by_purpose_and_by_master_key():
    keys = {derive(MASTER, "pepper"), derive(MASTER, "cursor"), derive(bytes(32), "pepper")}
    assert len(keys) == 3
    assert all(len(key) == 32 for key in keys)
    assert derive(MASTER, "pepper") == derive(MASTER, "pepper")


def test_a_short_master_key_is_refused():
    with pytest.raises(ValueError, match="at least 32 bytes"):
        Sealer(bytes(31))


def test_fingerprints_are_equal_for_equal_secrets_only():
    sealer = Sealer(MASTER)
    assert sealer.fingerprint(b"one") == Sealer(MASTER).fingerprint(b"one")
    assert sealer.fingerprint(b"one") != sealer.fingerprint(b"two")
    assert sealer.fingerprint(b"one") != Sealer(bytes(32)).fingerprint(b"one")
