"""The numbered events of a tenant by their time, for replays of a span.

Revision: 0027, after 0026.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"

NAME = "ix_feed_events_tenant_id_created_at"


def upgrade() -> None:
    op.create_index(NAME, "feed_events", ["tenant_id", "created_at"], postgresql_where=sa.text("seq IS NOT NULL"))


def downgrade() -> None:
    op.drop_index(NAME, table_name="feed_events")
