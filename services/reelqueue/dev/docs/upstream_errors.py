"""The way from NemoVideo to a job's error, for `docs/errors.md`: rows of `nemo/error_table.py`, like ones joined."""

from __future__ import annotations

from typing import Final

from reelqueue.dev.docs.markdown import member_docs, table
from reelqueue.errors import DependencyUnavailable, InternalError, Poisoned, ReelqueueError, UpstreamError
from reelqueue.nemo.error_table import ROWS, UNUSED, Call, Row, Then, Where

_SHOWN: Final = tuple(row for row in ROWS if row.error is None or row.then is not Then.GOES_ON)
_STOPPING: Final = frozenset(call for row in _SHOWN for call in row.calls)
_LENIENT: Final = frozenset(call for row in ROWS if row not in _SHOWN for call in row.calls) - UNUSED
_DURING_TURNS: Final = (DependencyUnavailable, InternalError, Poisoned)
"""Troubles of our own that can come while a turn is under way, as a dead worker does."""


def where_table() -> str:
    """What the first column's words mean."""
    docs = member_docs(Where)
    return table(["where", "what is meant"], [[f"`{where}`", docs[where.name]] for where in Where])


def harmless_calls() -> str:
    """The calls whose failing stops no job, in a sentence."""
    named = " and ".join(f"`{call}`" for call in sorted(_LENIENT))
    return f"At {named} a job goes on whatever the answer is, but for what the table names."


def upstream_table() -> str:
    """The whole table. `any` call is any that can stop a job."""
    groups: dict[tuple[Where, type[UpstreamError] | None, frozenset[Call], Then, str], list[Row]] = {}
    for row in _SHOWN:
        groups.setdefault((row.where, row.error, row.calls, row.then, row.section), []).append(row)
    head = ["where", "what", "at which call", "we raise", "the job", "at worst it fails with", "credits", "contract"]
    return table(head, [_line(rows, calls) for (_, _, calls, _, _), rows in groups.items()])


def may_cost(error: type[ReelqueueError]) -> bool:
    """Whether a turn may have been charged whose job then failed so.

    A look at the session when a turn is over can fail as any other look: then nobody has seen what the turn did.
    """
    looked = (row for row in ROWS if row.error is error and (row.may_cost or Call.STATE in row.calls))
    return any(looked) or issubclass(error, _DURING_TURNS)


def _line(rows: list[Row], calls: frozenset[Call]) -> list[str]:
    first, worst = rows[0], rows[0].at_worst
    return [
        f"`{first.where}`",
        "; ".join(_what(row) for row in sorted(rows, key=_numbers_first)),
        "any" if calls == _STOPPING else ", ".join(f"`{call}`" for call in sorted(calls)),
        "nothing" if first.error is None else f"`{first.error.__name__}`",
        first.then.value,
        "" if worst is None else f"[`{worst.code}`](#{worst.code})",
        "perhaps" if first.may_cost else "no",
        f"[{first.section}](upstream.md)",
    ]


def _numbers_first(row: Row) -> int:
    return row.what if isinstance(row.what, int) else 10_000


def _what(row: Row) -> str:
    """A number or a name of the upstream's as it is; a description as words."""
    if isinstance(row.what, int) or row.what.isidentifier() or row.what.isdigit():
        return f"`{row.what}`"
    return row.what
