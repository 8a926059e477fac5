"""Webhook messages and their tries, for the tenants that look at them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import RowMapping, select

from reelqueue.domain.outgoing import Attempt, AttemptRecord, Message, MessageFilter
from reelqueue.errors import NotFound
from reelqueue.store.engine import Database
from reelqueue.store.tables import messages, webhook_attempts, webhook_endpoints

_M = messages.c
_E = webhook_endpoints.c
_A = webhook_attempts.c
SHOWN = (
    _M.id,
    _M.event_id,
    _M.endpoint_id,
    _M.delivery_seq,
    _M.job_id,
    _M.seq,
    _M.type,
    _M.state,
    _M.attempts,
    _M.created_at,
    _M.due_at,
    _M.finished_at,
)


EVERYTHING: Final = MessageFilter()


class Deliveries:
    """What was sent, what waits to be sent, and what came back."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, tenant_id: str, message_id: str) -> Message:
        """One message, whatever became of its endpoint. Raises `NotFound`."""
        statement = select(*SHOWN).where(_M.tenant_id == tenant_id, _M.id == message_id)
        with self._database.statement() as connection:
            row = connection.execute(statement).mappings().first()
        if row is None:
            raise NotFound
        return Message(**row)

    def attempts(self, tenant_id: str, message_id: str, *, after: int = 0, limit: int = 100) -> Sequence[Attempt]:
        """Up to `limit` tries of a message above the number `after`, the first one first. Raises `NotFound`."""
        known = select(_M.id).where(_M.tenant_id == tenant_id, _M.id == message_id)
        tries = (
            select(webhook_attempts)
            .where(_A.tenant_id == tenant_id, _A.message_id == message_id, _A.attempt > after)
            .order_by(_A.attempt)
            .limit(limit)
        )
        with self._database.statement() as connection:
            if connection.execute(known).first() is None:
                raise NotFound
            return [_attempt_from(row) for row in connection.execute(tries).mappings()]

    def list(
        self, tenant_id: str, endpoint_id: str, narrow: MessageFilter = EVERYTHING, *, before: str | None, limit: int
    ) -> list[Message]:
        """Up to `limit` messages of an endpoint, newest first, older than the message id `before`.

        Raises `NotFound`, for a deleted endpoint too.
        """
        known = select(_E.id).where(_E.tenant_id == tenant_id, _E.id == endpoint_id, _E.deleted_at.is_(None))
        statement = (
            select(*SHOWN)
            .where(_M.tenant_id == tenant_id, _M.endpoint_id == endpoint_id)
            .order_by(_M.id.desc())
            .limit(limit)
        )
        if narrow.states:
            statement = statement.where(_M.state.in_(narrow.states))
        if narrow.types:
            statement = statement.where(_M.type.in_(narrow.types))
        if before is not None:
            statement = statement.where(_M.id < before)
        with self._database.statement() as connection:
            if connection.execute(known).first() is None:
                raise NotFound
            return [Message(**row) for row in connection.execute(statement).mappings()]


def _attempt_from(row: RowMapping) -> Attempt:
    record = AttemptRecord(
        started_at=row["started_at"],
        elapsed_ms=row["elapsed_ms"],
        status=row["status"],
        error_class=row["error_class"],
        excerpt=row["response_excerpt"],
        request_headers=row["request_headers"],
    )
    return Attempt(number=row["attempt"], record=record)
