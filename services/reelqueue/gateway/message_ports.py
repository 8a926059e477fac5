"""What the routes of webhook messages need of the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from reelqueue.domain.outgoing import Attempt, Message, MessageFilter
from reelqueue.domain.replays import Replay, ReplayCount, ReplayWish


class MessageRows(Protocol):
    """A tenant's webhook messages."""

    def find(self, tenant_id: str, message_id: str) -> Message:
        """One message. Raises NotFound."""
        ...

    def list(
        self, tenant_id: str, endpoint_id: str, narrow: MessageFilter, *, before: str | None, limit: int
    ) -> list[Message]:
        """Of one endpoint, newest first, older than the id `before`. Raises NotFound."""
        ...

    def attempts(self, tenant_id: str, message_id: str, *, after: int, limit: int) -> Sequence[Attempt]:
        """The tries above the number `after`, in order. Raises NotFound."""
        ...


class ResendRows(Protocol):
    """Sends messages again."""

    def resend(self, tenant_id: str, message_id: str) -> Message:
        """Put one on its way. Raises NotFound, EndpointNotListening."""
        ...


class ReplayRows(Protocol):
    """Sends what happened in a span of time again."""

    def count(self, tenant_id: str, endpoint_id: str, wish: ReplayWish) -> ReplayCount:
        """What it comes to. Raises NotFound."""
        ...

    def run(self, tenant_id: str, endpoint_id: str, wish: ReplayWish, *, key: str | None) -> Replay:
        """Put it on its way. Raises NotFound, EndpointNotListening, ReplayTooLarge, IdempotencyKeyReused."""
        ...
