"""Row-level security on every table with a tenant, and the rights of the role that the service works as.

Revision: 0019, after 0018.
"""

from __future__ import annotations

from alembic import op

from reelqueue.store.walls import grant_rows, owned_tables, protect, revoke_rows, unprotect

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    grant_rows()
    for table, column in owned_tables(op.get_bind()).items():
        protect(table, owner=column)


def downgrade() -> None:
    """The role itself stays: it belongs to the cluster, and other databases may use it."""
    for table in owned_tables(op.get_bind()):
        unprotect(table)
    revoke_rows()
