"""Alembic's entry: offline never, online on the connection it is handed."""

from __future__ import annotations

from alembic import context

from reelqueue.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    transaction_per_migration=True,
    compare_server_default=True,
)
with context.begin_transaction():
    # Short waits: a migration must never queue traffic behind itself. For the session: each migration is a transaction.
    context.execute("SET lock_timeout = '4s'")
    context.run_migrations()
