"""Cursors: where a list goes on. Opaque, and of use only to whom, and for what, they were made."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from typing import Final

from reelqueue.errors import CursorInvalid

_MAC_BYTES: Final = 16
_FORM: Final = re.compile(r"[A-Za-z0-9_-]{1,200}")

Filters = Mapping[str, Sequence[str]]


class Cursors:
    """Signs the last id of a page together with the list's name, the tenant and the filters."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, last_id: str, *, of: str, tenant_id: str, filters: Filters) -> str:
        """The cursor behind `last_id` in the list named `of`."""
        payload = last_id.encode()
        return _text_of(payload + self._mac(payload, of, tenant_id, filters))

    def read(self, cursor: str, *, of: str, tenant_id: str, filters: Filters) -> str:
        """The id in the cursor. Raises `CursorInvalid` for one not made for exactly this list, tenant and filters."""
        if not _FORM.fullmatch(cursor):
            raise CursorInvalid
        try:
            token = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except binascii.Error as error:
            raise CursorInvalid from error
        if _text_of(token) != cursor:
            raise CursorInvalid  # the last character can be written in several ways; ours is one
        payload, mac = token[:-_MAC_BYTES], token[-_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(payload, of, tenant_id, filters)):
            raise CursorInvalid
        return payload.decode()

    def _mac(self, payload: bytes, of: str, tenant_id: str, filters: Filters) -> bytes:
        scope = json.dumps([of, tenant_id, sorted((name, sorted(values)) for name, values in filters.items())])
        digest = hashlib.sha256(scope.encode()).digest()
        return hmac.digest(self._key, digest + payload, hashlib.sha256)[:_MAC_BYTES]


def _text_of(token: bytes) -> str:
    return base64.urlsafe_b64encode(token).rstrip(b"=").decode()
