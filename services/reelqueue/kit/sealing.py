"""Secrets at rest: AES-256-GCM, each envelope bound to the one row it was made for.

An envelope is `version (1 byte) | key id (4) | nonce (12) | ciphertext and tag`. The key id says which master key
sealed it, so that two may be in use while one replaces the other. What the caller passes as `aad` ("tenant|table|
column|row id") is authenticated but not stored: an envelope moved to another row, or to another tenant, does not open.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

VERSION: Final = b"\x01"
KEY_BYTES: Final = 32
_KEY_ID_BYTES: Final = 4
_NONCE_BYTES: Final = 12
_HEADER_BYTES: Final = len(VERSION) + _KEY_ID_BYTES
_TAG_BYTES: Final = 16


class SealBroken(Exception):
    """The envelope does not open: damaged, sealed for another row, or under a key this process does not have."""


def derive(master_key: bytes, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose (HKDF-SHA256). Keys for two purposes tell nothing of each other."""
    if len(master_key) < KEY_BYTES:
        raise ValueError(f"the master key needs at least {KEY_BYTES} bytes")
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=f"reelqueue {purpose}".encode()).derive(master_key)


class Sealer:
    """Seals with one master key; opens what that key, or one of the retired ones, has sealed."""

    def __init__(self, master_key: bytes, *, retired: Iterable[bytes] = ()) -> None:
        self._key_id = _key_id(master_key)
        self._ciphers = {_key_id(key): AESGCM(derive(key, "sealing")) for key in (*retired, master_key)}
        self._fingerprint_key = derive(master_key, "fingerprint")

    def seal(self, plaintext: bytes, *, aad: str) -> bytes:
        """The envelope of a secret, for one place. Sealing twice gives two different envelopes."""
        header = VERSION + self._key_id
        # 96 random bits: fewer than 2**32 envelopes a key keep the chance of a repeat below 2**-32 (NIST SP 800-38D).
        nonce = os.urandom(_NONCE_BYTES)
        return header + nonce + self._ciphers[self._key_id].encrypt(nonce, plaintext, header + aad.encode())

    def open(self, sealed: bytes, *, aad: str) -> bytes:
        """The secret in an envelope. Raises `SealBroken`, which never says more than that."""
        header, nonce = sealed[:_HEADER_BYTES], sealed[_HEADER_BYTES : _HEADER_BYTES + _NONCE_BYTES]
        ciphertext = sealed[_HEADER_BYTES + _NONCE_BYTES :]
        cipher = self._ciphers.get(header[len(VERSION) :])
        if header[: len(VERSION)] != VERSION or cipher is None or len(ciphertext) < _TAG_BYTES:
            raise SealBroken("not an envelope of a key in use")
        try:
            return cipher.decrypt(nonce, ciphertext, header + aad.encode())
        except InvalidTag as error:
            raise SealBroken("the envelope does not belong here") from error

    def fingerprint(self, secret: bytes) -> bytes:
        """32 bytes that are equal for equal secrets and tell nothing else to who lacks the master key."""
        return hmac.digest(self._fingerprint_key, secret, hashlib.sha256)


def _key_id(master_key: bytes) -> bytes:
    return derive(master_key, "key id")[:_KEY_ID_BYTES]
