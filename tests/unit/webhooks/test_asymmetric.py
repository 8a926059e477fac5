"""Scheme `v1a`, verified with nothing but the public key, as a receiver would."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks.webhooks import Webhook

from reelqueue.domain.signing_keys import public_key, signing_key
from reelqueue.webhooks.signing import generate_secret, sign, signed_headers, verify

pytestmark = pytest.mark.unit

KEY, OTHER = signing_key(bytes(range(32))), signing_key(bytes(32))
SECRET = generate_secret()
BODY = b'{"type":"job.succeeded","data":{"job":"job_1"}}'
NOW = 1_790_000_000


def verifies(key: str, headers: dict[str, str], body: bytes) -> bool:
    """A receiver's own few lines."""
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key(key).removeprefix("whpk_")))
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    for one in headers["webhook-signature"].split(" "):
        scheme, _, signature = one.partition(",")
        if scheme == "v1a":
            try:
                public.verify(base64.b64decode(signature), content)
            except InvalidSignature:
                continue
            return True
    return False


def test_whoever_has_the_public_key_can_verify():
    headers = signed_headers([SECRET, KEY], "evt_1", timestamp=NOW, body=BODY)
    assert [one.partition(",")[0] for one in headers["webhook-signature"].split(" ")] == ["v1", "v1a"]
    assert verifies(KEY, headers, BODY)


@pytest.mark.parametrize(
    "change", [{"webhook-id": "evt_2"}, {"webhook-timestamp": str(NOW + 1)}, {"body": BODY + b" "}, {"key": OTHER}]
)
def test_what_was_changed_or_is_not_ours_does_not_verify(change):
    headers = signed_headers([SECRET, KEY], "evt_1", timestamp=NOW, body=BODY)
    changed = {**headers, **{name: value for name, value in change.items() if name in headers}}
    assert not verifies(change.get("key", KEY), changed, change.get("body", BODY))


def test_while_a_key_is_replaced_both_sign():
    headers = signed_headers([SECRET, KEY, OTHER], "evt_1", timestamp=NOW, body=BODY)
    assert verifies(KEY, headers, BODY)
    assert verifies(OTHER, headers, BODY)


def test_libraries_of_v1_pass_it_over():
    now = int(datetime.now(UTC).timestamp())
    headers = signed_headers([KEY, SECRET], "evt_1", timestamp=now, body=BODY)
    assert Webhook(SECRET).verify(BODY, headers) == json.loads(BODY)
    assert verify(SECRET, headers, body=BODY, now=now) == "evt_1"


def test_a_key_signs_a_message_alike_each_time_and_each_message_otherwise():
    first = sign(KEY, "evt_1", timestamp=NOW, body=BODY)
    assert first == sign(KEY, "evt_1", timestamp=NOW, body=BODY) != sign(KEY, "evt_1", timestamp=NOW, body=b"")


def test_a_broken_key_is_refused():
    with pytest.raises(ValueError, match="whsk_"):
        sign(KEY[:-4], "evt_1", timestamp=NOW, body=BODY)
