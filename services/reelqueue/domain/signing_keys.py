"""The keys of scheme `v1a`: ed25519, so that who can verify a message cannot make one. Pure."""

from __future__ import annotations

import base64
import binascii
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SIGNING_KEY_PREFIX: Final = "whsk_"
PUBLIC_KEY_PREFIX: Final = "whpk_"
SEED_BYTES: Final = 32


def signing_key(random: bytes) -> str:
    """A signing key as text, from 32 random bytes. It never leaves the service."""
    if len(random) != SEED_BYTES:
        raise ValueError(f"a signing key is made of {SEED_BYTES} random bytes")
    return SIGNING_KEY_PREFIX + base64.b64encode(random).decode()


def private_key(text: str) -> Ed25519PrivateKey:
    """The key that `signing_key` wrote. Raises `ValueError`, which never holds the text."""
    try:
        seed = base64.b64decode(text.removeprefix(SIGNING_KEY_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        # No `from`: the cause may quote the key.
        raise ValueError("a signing key is base64 after whsk_") from None
    if not text.startswith(SIGNING_KEY_PREFIX) or len(seed) != SEED_BYTES:
        raise ValueError(f"a signing key is whsk_ and the base64 of {SEED_BYTES} bytes")
    return Ed25519PrivateKey.from_private_bytes(seed)


def public_key(text: str) -> str:
    """What receivers verify with: `whpk_` and the base64 of the 32 bytes of the public key. No secret."""
    return PUBLIC_KEY_PREFIX + base64.b64encode(private_key(text).public_key().public_bytes_raw()).decode()
