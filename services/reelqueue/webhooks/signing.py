"""Signatures by Standard Webhooks 1.0.0 over `id.timestamp.body`. Pure.

Scheme `v1` is HMAC-SHA-256 with a `whsec_` secret; receivers verify with any Standard Webhooks library. Scheme `v1a`
is ed25519 with a `whsk_` key: one more signature in the same header, which libraries of `v1` pass over, and so does
`verify` here, which is for our own receivers: the demo, the command line and the tests.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from reelqueue.domain.signing_keys import SIGNING_KEY_PREFIX, private_key

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - a prefix is no secret
MIN_SECRET_BYTES: Final = 24
MAX_SECRET_BYTES: Final = 64
TOLERANCE_S: Final = 300
"""How old, or how far ahead, a timestamp may be when it is verified."""

ID_HEADER: Final = "webhook-id"
TIMESTAMP_HEADER: Final = "webhook-timestamp"
SIGNATURE_HEADER: Final = "webhook-signature"

_MAX_SIGNATURE_CHARS: Final = 8192
_MESSAGE_ID: Final = re.compile(r"[\x21-\x2d\x2f-\x7e]{1,255}")  # no dot: it parts the fields that are signed
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}")


class SecretInvalid(ValueError):
    """A secret is not `whsec_` and the base64 of 24 to 64 bytes. Never holds the secret."""


class SignatureInvalid(Exception):
    """A message is not ours, was changed, or is not recent."""


def generate_secret(size: int = 32, *, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """A new secret of `size` random bytes."""
    return SECRET_PREFIX + base64.b64encode(_sized(random_bytes(size))).decode("ascii")


def secret_key(secret: str) -> bytes:
    """The bytes a secret stands for. Raises `SecretInvalid`."""
    if not secret.startswith(SECRET_PREFIX):
        raise SecretInvalid("a webhook secret starts with whsec_")
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        # No `from`: the cause may quote the secret.
        raise SecretInvalid("a webhook secret is base64 after whsec_") from None
    return _sized(key)


def sign(secret: str, message_id: str, *, timestamp: int, body: bytes) -> str:
    """One signature: `v1,` and base64 for a secret, `v1a,` and base64 for a signing key.

    `timestamp` is in seconds since 1970, of this try. Raises `SecretInvalid`, or `ValueError` for a signing key that is
    none and for an id that could be read as more than one field.
    """
    content = _signed_content(message_id, timestamp, body)
    if secret.startswith(SIGNING_KEY_PREFIX):
        scheme, signature = "v1a", private_key(secret).sign(content)
    else:
        scheme, signature = "v1", hmac.digest(secret_key(secret), content, "sha256")
    return f"{scheme}," + base64.b64encode(signature).decode("ascii")


def signed_headers(secrets: Iterable[str], message_id: str, *, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of a message. With several secrets, as while one is being replaced, each of them signs.

    A signing key is a secret of its own here.
    """
    signatures = [sign(secret, message_id, timestamp=timestamp, body=body) for secret in secrets]
    if not signatures:
        raise ValueError("a webhook is never sent unsigned")
    return {
        ID_HEADER: message_id,
        TIMESTAMP_HEADER: str(timestamp),
        SIGNATURE_HEADER: " ".join(signatures),
    }


def verify(secret: str, headers: Mapping[str, str], *, body: bytes, now: int, tolerance_s: int = TOLERANCE_S) -> str:
    """Accept a message that this secret signed within the tolerance, and return its id.

    Drop an id that was seen before: a repeat within the tolerance verifies too. Raises `SignatureInvalid`.
    """
    given = {name.lower(): value for name, value in headers.items()}
    message_id, timestamp_text = given.get(ID_HEADER, ""), given.get(TIMESTAMP_HEADER, "")
    signatures = given.get(SIGNATURE_HEADER, "")
    if not _MESSAGE_ID.fullmatch(message_id) or not _TIMESTAMP.fullmatch(timestamp_text):
        raise SignatureInvalid("the webhook headers are missing or malformed")
    timestamp = int(timestamp_text)
    if abs(now - timestamp) > tolerance_s:
        raise SignatureInvalid("the timestamp is too old or too new")
    if len(signatures) > _MAX_SIGNATURE_CHARS:
        raise SignatureInvalid("there are too many signatures")
    expected = sign(secret, message_id, timestamp=timestamp, body=body).encode("ascii")
    # Every candidate is compared, in constant time, so that the time tells nothing of which one came close.
    matches = [
        hmac.compare_digest(expected, candidate.encode("utf-8", "replace")) for candidate in signatures.split(" ")
    ]
    if not any(matches):
        raise SignatureInvalid("no signature matches")
    return message_id


def _signed_content(message_id: str, timestamp: int, body: bytes) -> bytes:
    if not _MESSAGE_ID.fullmatch(message_id):
        raise ValueError("a message id is printable ASCII without spaces and dots")
    return f"{message_id}.{timestamp}.".encode("ascii") + body


def _sized(key: bytes) -> bytes:
    if not MIN_SECRET_BYTES <= len(key) <= MAX_SECRET_BYTES:
        raise SecretInvalid(f"a webhook secret has {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes")
    return key
