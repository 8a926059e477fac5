"""The schedule and the event types in `docs/webhooks.md`, from `domain/`."""

from __future__ import annotations

from reelqueue.dev.docs.markdown import table
from reelqueue.domain.breakers import UpstreamEventType
from reelqueue.domain.deliveries import SCHEDULE_S
from reelqueue.domain.event_types import EndpointEventType
from reelqueue.domain.jobs import EVENT_OF, TERMINAL_EVENTS, EventType, Status
from reelqueue.domain.subscriptions import DEFAULT_EVENT_TYPES

_BETWEEN = {
    EventType.STARTED: "a worker has taken the job up for the first time",
    EventType.PROGRESS: "a running turn said something, or is still at work after two more minutes",
    EventType.PREVIEW_READY: "the first clip of a generation is on the timeline",
    EventType.EXPORTED: "one of several outputs is done or has failed",
    EventType.BATCH_COMPLETED: "the last job of a batch has ended; it stands among that job's events",
    EventType.RECOVERED: "what was paid for arrived after the job was canceled or ran out of time",
    EventType.EXPIRING: "what arrived so is deleted soon; told once",
}
_OF_NO_JOB = {
    EndpointEventType.FAILING: "an endpoint has failed for 50, 70 or 90 percent of the time after which it is disabled",
    EndpointEventType.DISABLED: "an endpoint was disabled, and gets nothing until you enable it",
    UpstreamEventType.DEGRADED: "a phase of NemoVideo is down for everybody, or was stopped; of no job",
    UpstreamEventType.RECOVERED: "it answers again",
}
_UNITS = ((86_400, "day"), (3_600, "h"), (60, "min"), (1, "s"))


def schedule_table() -> str:
    """When each try is made, if all before it failed."""
    rows, since = [], 0
    for number, wait in enumerate(SCHEDULE_S, start=1):
        since += wait
        rows.append([str(number), "at once" if wait == 0 else _span(wait), _span(since) if since else "0"])
    return table(["try", "after the one before", "after the event, about"], rows)


def event_table() -> str:
    """The event types."""
    rows = []
    became = {EVENT_OF[status]: f"the job became `{status}`" for status in Status}
    for kind in EventType:
        when = became.get(kind) or _BETWEEN[kind]
        final, default = kind in TERMINAL_EVENTS, kind in DEFAULT_EVENT_TYPES
        rows.append([f"`{kind}`", when, "yes" if final else "", "yes" if default else ""])
    rows += [[f"`{kind}`", when, "", ""] for kind, when in _OF_NO_JOB.items()]
    return table(["type", "when", "a job's end", "sent if you do not choose"], rows)


def _span(seconds: int) -> str:
    parts = []
    for size, name in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {name}{'s' if name == 'day' and count > 1 else ''}")
    return " ".join(parts[:2])
