from __future__ import annotations

import base64

import pytest

from reelqueue.domain.signing_keys import private_key, public_key, signing_key

# RFC 8032 §7.1, test 1.
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")


def test_a_key_is_written_as_standard_webhooks_has_it():
    key = signing_key(SEED)
    assert key == "whsk_" + base64.b64encode(SEED).decode()
    assert public_key(key) == "whpk_" + base64.b64encode(PUBLIC).decode()
    assert private_key(key).private_bytes_raw() == SEED


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_key_is_made_of_32_bytes(size):
    with pytest.raises(ValueError, match="32 random bytes"):
        signing_key(bytes(size))
    with pytest.raises(ValueError, match="32 bytes"):
        private_key("whsk_" + base64.b64encode(bytes(size)).decode())


@pytest.mark.parametrize(
    "text", ["", "whsk_", "whsk_????", "whsec_" + base64.b64encode(SEED).decode(), base64.b64encode(SEED).decode()]
)
def test_what_is_no_key_is_refused_and_not_repeated(text):
    with pytest.raises(ValueError, match="whsk_") as refused:
        private_key(text)
    assert len(text) < 8 or text[6:] not in str(refused.value)
    assert refused.value.__cause__ is None
