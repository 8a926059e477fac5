"""How often a lane was begun anew, so that whoever held it before does not write its old history back.

Revision: 0025, after 0024.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    # A constant default: the rows there are need not be written again.
    generation = sa.Column("generation", sa.Integer(), server_default=sa.text("0"), nullable=False)
    op.add_column("webhook_lanes", generation)


def downgrade() -> None:
    op.drop_column("webhook_lanes", "generation")
