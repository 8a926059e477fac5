"""Messages that nobody shall get any more."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, func, update

from reelqueue.store.tables import messages


def drop_pending(connection: Connection, *which: ColumnElement[bool]) -> int:
    """Give up on pending messages, in the caller's transaction. Returns how many.

    A worker in the middle of one finds its claim lost when it comes back.
    """
    statement = (
        update(messages)
        .where(messages.c.state == "pending", *which)
        .values(state="dropped", dispatch="done", finished_at=func.now(), due_at=None, bell_at=None, lease_owner=None)
    )
    return connection.execute(statement).rowcount
