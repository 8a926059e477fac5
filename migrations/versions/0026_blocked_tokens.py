"""A token is blocked beside its health, and remembers in which scopes it was refused.

Revision: 0026, after 0025.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0026"
down_revision = "0025"

CHECKS = (
    ("blocker_known", "blocked_by IN ('tenant', 'operator', 'refusals')"),
    ("blocked_by_someone", "(blocked_at IS NULL) = (blocked_by IS NULL)"),
    ("why_of_a_block", "blocked_why IS NULL OR blocked_at IS NOT NULL"),
)
COLUMNS = ("refused", "refused_at", "blocked_at", "blocked_by", "blocked_why")


def upgrade() -> None:
    op.add_column(
        "upstream_tokens",
        sa.Column("refused", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    )
    op.add_column("upstream_tokens", sa.Column("refused_at", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.add_column("upstream_tokens", sa.Column("blocked_at", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.add_column("upstream_tokens", sa.Column("blocked_by", sa.Text(), nullable=True))
    op.add_column("upstream_tokens", sa.Column("blocked_why", sa.Text(), nullable=True))
    # Only a person's own statement can have written this word: no program did.
    op.execute(
        "UPDATE upstream_tokens SET health = 'ok', blocked_at = now(), blocked_by = 'operator' WHERE health = 'blocked'"
    )
    _health_is("'ok', 'cooling', 'exhausted', 'invalid'")
    for name, condition in CHECKS:
        op.create_check_constraint(op.f(f"ck_upstream_tokens_{name}"), "upstream_tokens", condition)


def downgrade() -> None:
    for name, _ in CHECKS:
        op.drop_constraint(op.f(f"ck_upstream_tokens_{name}"), "upstream_tokens", type_="check")
    _health_is("'ok', 'cooling', 'exhausted', 'blocked', 'invalid'")
    op.execute("UPDATE upstream_tokens SET health = 'blocked' WHERE blocked_at IS NOT NULL")
    for name in COLUMNS:
        op.drop_column("upstream_tokens", name)


def _health_is(words: str) -> None:
    name = op.f("ck_upstream_tokens_health_known")
    op.drop_constraint(name, "upstream_tokens", type_="check")
    op.create_check_constraint(name, "upstream_tokens", f"health IN ({words})")
