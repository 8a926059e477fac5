"""No limit, for tests of what lies behind it."""

from __future__ import annotations

from reelqueue.domain.upstream import Credential
from reelqueue.nemo.error_table import Call


class Unthrottled:
    """`nemo.throttle.Throttle`. `refusals` are the 429s it was told of."""

    def __init__(self) -> None:
        self.entered: list[Call] = []
        self.refusals: list[tuple[str | None, float | None]] = []

    def enter(self, call: Call, credential: Credential | None, client_id: str | None) -> None:
        self.entered.append(call)

    def refused(self, credential: Credential | None, client_id: str | None, retry_after: float | None) -> None:
        self.refusals.append((client_id if credential is None else credential.token_id, retry_after))
