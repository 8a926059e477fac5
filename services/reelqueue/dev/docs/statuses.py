"""`docs/status-machine.md`, from `domain/jobs.py`."""

from __future__ import annotations

from reelqueue.dev.docs.markdown import first_line, member_docs, page, table
from reelqueue.domain.jobs import EVENT_OF, TRANSITIONS, Status, WaitingReason, queue_of
from reelqueue.domain.rulings import PERCENT_AT
from reelqueue.errors import UpstreamError

_INTRO = """
A job stands in one status at a time. `TRANSITIONS` in `services/reelqueue/domain/jobs.py` is the law. The runner asks
it before each write, the first migrations repeat it as a trigger in the database, and this page is made from it. Each
move writes one event, in the same transaction; a final status has exactly one, by a unique index.
"""
_WAITING = """
A live job that is not being worked on says why in `waiting`: `{reason, since, until, detail}`. A job that waits holds
no thread, no message and no connection. Waiting is not a move: it writes no event.
"""


def status_page() -> str:
    """The page."""
    return page(
        "Status machine",
        _INTRO,
        _picture(),
        "## Statuses",
        _statuses(),
        "A worker keeps a job whose next status is of the same queue; else the dispatcher rings the other queue.",
        "## Waiting",
        _WAITING,
        _waiting(),
        source="`services/reelqueue/domain/jobs.py`",
    )


def _picture() -> str:
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> queued"]
    for origin in Status:
        lines += [f"    {origin} --> {to}" for to in Status if to in TRANSITIONS[origin]]
    lines += [f"    {status} --> [*]" for status in Status if status.is_final]
    return "\n".join([*lines, "```"])


def _statuses() -> str:
    docs = member_docs(Status)
    rows = []
    for status in Status:
        onward = ", ".join(f"`{to}`" for to in Status if to in TRANSITIONS[status])
        meaning = docs.get(status.name, "Final.")
        queue = "" if status.is_final or status is Status.REQUIRES_INPUT else f"`{queue_of(status)}`"
        percent = str(PERCENT_AT[status]) if status in PERCENT_AT else ""
        rows.append([f"`{status}`", meaning, onward or "nothing", queue, percent, f"`{EVENT_OF[status]}`"])
    return table(["status", "what happens in it", "may go to", "queue", "progress from", "event on entering"], rows)


def _waiting() -> str:
    docs = member_docs(WaitingReason)
    errors = {error.code: first_line(error.__doc__) for error in UpstreamError.__subclasses__()}
    rows = [[f"`{reason}`", docs.get(reason.name) or errors.get(reason.value, "")] for reason in WaitingReason]
    return table(["reason", "meaning"], rows)
