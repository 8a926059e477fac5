"""The schedule of tries in `docs/webhooks.md`, from `domain/deliveries.py`."""

from __future__ import annotations

from reelqueue.dev.docs.markdown import table
from reelqueue.domain.deliveries import SCHEDULE_S

_UNITS = ((86_400, "day"), (3_600, "h"), (60, "min"), (1, "s"))


def schedule_table() -> str:
    """When each try is made, if all before it failed."""
    rows, since = [], 0
    for number, wait in enumerate(SCHEDULE_S, start=1):
        since += wait
        rows.append([str(number), "at once" if wait == 0 else _span(wait), _span(since) if since else "0"])
    return table(["try", "after the one before", "after the event, about"], rows)


def _span(seconds: int) -> str:
    parts = []
    for size, name in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {name}{'s' if name == 'day' and count > 1 else ''}")
    return " ".join(parts[:2])
