"""What is known of NemoVideo itself: its phases, and what was last told of them. No row here belongs to a tenant."""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, Column, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY

from reelqueue.store.tables.metadata import Moment, metadata, one_of

_NONE = text("'{}'")
_ZERO = text("0")

breakers = Table(
    "breakers",
    metadata,
    Column("phase", Text, primary_key=True),
    Column("state", Text, nullable=False, server_default=text("'closed'")),
    Column("held", Boolean, nullable=False, server_default=text("false")),
    Column("reason", Text),
    Column("calls", ARRAY(Text), nullable=False, server_default=_NONE),
    Column("jobs", ARRAY(Text), nullable=False, server_default=_NONE),
    Column("failures", Integer, nullable=False, server_default=_ZERO),
    Column("answered", Integer, nullable=False, server_default=_ZERO),
    Column("window_started_at", Moment),
    Column("opened_at", Moment),
    Column("closed_at", Moment),
    Column("next_probe_at", Moment),
    Column("probe", Text),
    Column("probe_until", Moment),
    Column("failed_probes", Integer, nullable=False, server_default=_ZERO),
    Column("opened_total", Integer, nullable=False, server_default=_ZERO),
    Column("told", Text),
    Column("told_at", Moment),
    CheckConstraint(
        one_of("phase", ("session", "upload", "instruct", "render", "poll", "save")),
        name="phase_known",
    ),
    CheckConstraint(one_of("state", ("closed", "open", "half_open")), name="state_known"),
    CheckConstraint(one_of("told", ("degraded", "recovered")), name="told_known"),
    CheckConstraint("(state = 'closed') = (opened_at IS NULL)", name="open_has_time"),
    CheckConstraint("NOT held OR state = 'open'", name="held_is_open"),
    CheckConstraint("(state = 'half_open') = (probe IS NOT NULL)", name="half_open_has_probe"),
    CheckConstraint("(probe IS NULL) = (probe_until IS NULL)", name="probe_has_end"),
    CheckConstraint("(state = 'open' AND NOT held) = (next_probe_at IS NOT NULL)", name="open_is_probed"),
    CheckConstraint("(told IS NULL) = (told_at IS NULL)", name="told_has_time"),
)
