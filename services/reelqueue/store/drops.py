"""Messages that nobody shall get any more."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, func, update

from reelqueue.store.tables import messages


def drop_pending(connection: Connection, *which: ColumnElement[bool]) -> int:
    """Give up on pending messages, in the caller's transaction. Returns how many.

    A try that is under way is kept when it ends, and changes nothing.
    """
    statement = (
        update(messages)
        .where(messages.c.state == "pending", *which)
        .values(state="dropped", finished_at=func.now(), due_at=None)
    )
    return connection.execute(statement).rowcount
