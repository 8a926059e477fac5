"""Claim a message, record what came of the try, let it go. Every write names its epoch and checks that it hit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Integer, RowMapping, Text, and_, func, insert, literal, select, update

from reelqueue.domain.channels import WORK
from reelqueue.domain.claims import ClaimLost
from reelqueue.domain.outgoing import Attempt, AttemptRecord, DeliveryClaim, Message
from reelqueue.errors import NotFound
from reelqueue.kit.sealing import Sealer
from reelqueue.store.drops import drop_pending
from reelqueue.store.engine import Database
from reelqueue.store.sealed import place
from reelqueue.store.tables import messages, tenants, webhook_attempts, webhook_endpoints
from reelqueue.store.tables.metadata import Moment

_M = messages.c
_E = webhook_endpoints.c
_A = webhook_attempts.c
_SHOWN = (
    _M.id,
    _M.endpoint_id,
    _M.job_id,
    _M.seq,
    _M.type,
    _M.state,
    _M.attempts,
    _M.created_at,
    _M.due_at,
    _M.finished_at,
)
_KEPT = (
    _A.message_id,
    _A.attempt,
    _A.tenant_id,
    _A.started_at,
    _A.elapsed_ms,
    _A.status,
    _A.error_class,
    _A.response_excerpt,
)


class Deliveries:
    """Webhook messages, for the workers that send them and for the tenants that look at them."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    def claim(self, message_id: str, worker_id: str) -> DeliveryClaim | None:
        """Take a message whose bell was rung.

        `None` means: not ours to send. It was claimed already (a bell rung twice), it waits for a later try, or it
        ended; one whose endpoint is deleted or disabled ends here, as dropped. Of two workers with the same bell
        exactly one gets the claim. A secret that does not open (`SealBroken`) leaves the message as it was.
        """
        with self._database.transaction() as connection:
            row = connection.execute(_taking(message_id, worker_id)).mappings().first()
            if row is None:
                return None
            if row["endpoint_id"] is not None and not row["endpoint_listens"]:
                drop_pending(connection, _M.id == message_id, _M.lease_owner == worker_id)
                return None
            return self._claim_from(row, worker_id)

    def let_go(self, message_id: str, worker_id: str) -> bool:
        """Give back a message that a live worker holds without knowing it: the answer to its claim was lost.

        False: the worker does not hold it.
        """
        statement = (
            update(messages)
            .where(_M.id == message_id, _M.dispatch == "held", _M.lease_owner == worker_id)
            .values(dispatch="idle", lease_owner=None, lease_epoch=_M.lease_epoch + 1, due_at=func.now())
        )
        with self._database.statement() as connection:
            return connection.execute(statement).rowcount == 1

    def record(
        self,
        claim: DeliveryClaim,
        attempt: AttemptRecord,
        *,
        delivered: bool,
        retry_in_s: float | None,
        disable_endpoint: bool = False,
    ) -> None:
        """Write down a try and what follows from it, all or nothing. Raises `ClaimLost`: then nothing was written.

        The message becomes delivered; else it is due again in `retry_in_s` seconds by the database's clock; else, with
        `None`, it is exhausted. `disable_endpoint` is for a receiver that wants no more: there is no further try, its
        endpoint is disabled and what else is pending for it is dropped.
        """
        end = _end(delivered=delivered, retry_in_s=None if disable_endpoint else retry_in_s)
        if not disable_endpoint or claim.endpoint_id is None:
            with self._database.statement() as connection:
                _write(connection, claim, attempt, end)
            return
        with self._database.transaction() as connection:
            # The endpoint first, as where it is deleted: two who lock in one order cannot lock each other out.
            connection.execute(_disabling(claim, attempt))
            _write(connection, claim, attempt, end)
            drop_pending(connection, _M.tenant_id == claim.tenant_id, _M.endpoint_id == claim.endpoint_id)

    def attempts(self, tenant_id: str, message_id: str) -> Sequence[Attempt]:
        """The tries of a message, the first one first. Raises `NotFound`."""
        known = select(_M.id).where(_M.tenant_id == tenant_id, _M.id == message_id)
        tries = (
            select(webhook_attempts).where(_A.tenant_id == tenant_id, _A.message_id == message_id).order_by(_A.attempt)
        )
        with self._database.statement() as connection:
            if connection.execute(known).first() is None:
                raise NotFound
            return [_attempt_from(row) for row in connection.execute(tries).mappings()]

    def list(self, tenant_id: str, endpoint_id: str, *, before: str | None, limit: int) -> list[Message]:
        """Up to `limit` messages of an endpoint, newest first, older than the message id `before`.

        Raises `NotFound`, for a deleted endpoint too.
        """
        known = select(_E.id).where(_E.tenant_id == tenant_id, _E.id == endpoint_id, _E.deleted_at.is_(None))
        statement = (
            select(*_SHOWN)
            .where(_M.tenant_id == tenant_id, _M.endpoint_id == endpoint_id)
            .order_by(_M.id.desc())
            .limit(limit)
        )
        if before is not None:
            statement = statement.where(_M.id < before)
        with self._database.statement() as connection:
            if connection.execute(known).first() is None:
                raise NotFound
            return [Message(**row) for row in connection.execute(statement).mappings()]

    def _claim_from(self, row: RowMapping, worker_id: str) -> DeliveryClaim:
        tenant_id, endpoint_id = row["tenant_id"], row["endpoint_id"]
        if endpoint_id is None:
            url, sealed = row["url"], row["tenant_secret"]
            aad = place(tenants.c.webhook_secret, tenant_id=tenant_id, row_id=tenant_id)
        else:
            url, sealed = row["endpoint_url"], row["endpoint_secret"]
            aad = place(_E.secret, tenant_id=tenant_id, row_id=endpoint_id)
        return DeliveryClaim(
            message_id=row["id"],
            tenant_id=tenant_id,
            endpoint_id=endpoint_id,
            url=url,
            secrets=(self._sealer.open(sealed, aad=aad).decode(),),
            payload=row["payload"].encode(),
            attempt=row["attempts"] + 1,
            epoch=row["lease_epoch"],
            type=row["type"],
            job_id=row["job_id"],
            worker_id=worker_id,
        )


def _taking(message_id: str, worker_id: str) -> Any:
    taken = (
        update(messages)
        .where(_M.id == message_id, _M.dispatch == "rung")
        .values(dispatch="held", lease_owner=worker_id, lease_epoch=_M.lease_epoch + 1, bells=0, bell_at=None)
        .returning(*_M)
        .cte("taken")
    )
    message = taken.c
    return select(
        *message,
        tenants.c.webhook_secret.label("tenant_secret"),
        _E.url.label("endpoint_url"),
        _E.secret.label("endpoint_secret"),
        func.coalesce(and_(_E.state == "enabled", _E.deleted_at.is_(None)), False).label("endpoint_listens"),
    ).select_from(
        taken.join(tenants, tenants.c.id == message.tenant_id).outerjoin(
            webhook_endpoints, and_(_E.id == message.endpoint_id, _E.tenant_id == message.tenant_id)
        )
    )


def _end(*, delivered: bool, retry_in_s: float | None) -> dict[str, Any]:
    """How the message stands after a try."""
    if not delivered and retry_in_s is not None:
        return {"dispatch": "idle", "due_at": func.now() + timedelta(seconds=retry_in_s)}
    state = "delivered" if delivered else "exhausted"
    return {"state": state, "dispatch": "done", "due_at": None, "finished_at": func.now()}


def _write(connection: Connection, claim: DeliveryClaim, attempt: AttemptRecord, end: Mapping[str, Any]) -> None:
    written = (
        update(messages)
        .where(
            _M.id == claim.message_id,
            _M.tenant_id == claim.tenant_id,
            _M.lease_epoch == claim.epoch,
            _M.lease_owner == claim.worker_id,
        )
        .values(**end, attempts=_M.attempts + 1, lease_owner=None)
        .returning(_M.id, _M.attempts, _M.tenant_id)
        .cte("written")
    )
    kept = insert(webhook_attempts).from_select(
        [*_KEPT],
        select(
            written.c.id,
            written.c.attempts,
            written.c.tenant_id,
            literal(attempt.started_at, Moment),
            literal(attempt.elapsed_ms, Integer),
            literal(attempt.status, Integer),
            literal(attempt.error_class, Text),
            literal(_storable(attempt.excerpt), Text),
        ),
    )
    # A next try may be due before the dispatcher would look by itself.
    wake = (func.pg_notify(WORK, ""),) if end["dispatch"] == "idle" else ()
    if connection.execute(kept.returning(_A.attempt, *wake)).first() is None:
        raise ClaimLost(claim.message_id)


def _disabling(claim: DeliveryClaim, attempt: AttemptRecord) -> Any:
    reason = attempt.error_class if attempt.status is None else f"status {attempt.status}"
    return (
        update(webhook_endpoints)
        .where(_E.tenant_id == claim.tenant_id, _E.id == claim.endpoint_id, _E.state == "enabled")
        .values(state="disabled", disabled_reason=reason)
    )


def _storable(excerpt: str | None) -> str | None:
    """The excerpt without what PostgreSQL refuses in text: no receiver's words may keep a try from being written."""
    if excerpt is None:
        return None
    return excerpt.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _attempt_from(row: RowMapping) -> Attempt:
    record = AttemptRecord(
        started_at=row["started_at"],
        elapsed_ms=row["elapsed_ms"],
        status=row["status"],
        error_class=row["error_class"],
        excerpt=row["response_excerpt"],
    )
    return Attempt(number=row["attempt"], record=record)
