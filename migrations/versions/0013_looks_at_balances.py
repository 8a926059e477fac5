"""When a token's balance was last looked at.

Revision: 0013, after 0011.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0011"


def upgrade() -> None:
    looked = sa.Column(
        "looked_at", postgresql.TIMESTAMP(timezone=True), nullable=False, server_default=sa.text("now()")
    )
    op.add_column("upstream_tokens", looked)


def downgrade() -> None:
    op.drop_column("upstream_tokens", "looked_at")
