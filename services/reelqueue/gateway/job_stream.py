"""A job's events as they happen: what happened so far, then what happens, until the job has ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any, Final

from reelqueue.domain.documents import event_document, job_document
from reelqueue.domain.jobs import TERMINAL_EVENTS, Job, JobEvent
from reelqueue.gateway.context import Gateway
from reelqueue.gateway.event_stream import PING, Pulse, sse_event
from reelqueue.gateway.hub import Watch
from reelqueue.gateway.responses import dumps

PAGE: Final = 500


def progress_of(job: Job) -> dict[str, Any]:
    """What moves between events."""
    document = job_document(job)
    return {name: document[name] for name in ("id", "status", "progress", "waiting", "step")}


async def job_events(gateway: Gateway, job: Job, watch: Watch, *, after: int) -> AsyncIterator[bytes]:
    """Durable events from `after` on, by id; between them progress, which is not kept and has no id.

    Ends after the terminal event, or when the watch is closing. Raises `NotFound`, `DependencyUnavailable`.
    """
    find = partial(gateway.services.jobs.find, job.tenant_id, job.id)
    pulse = Pulse(gateway.services.settings.gateway.sse_ping_s)
    shown: dict[str, Any] | None = None
    news = True
    while True:
        if news:
            job = await gateway.threads.quick(find)
        while after < job.event_seq:
            events = await _read(gateway, job, after=after)
            for event in events:
                yield sse_event(event.type.value, dumps(event_document(event)), event_id=event.seq)
                after = event.seq
                pulse.spoke()
                if event.type in TERMINAL_EVENTS:
                    return
            if not events:
                break
        if job.status.is_final or watch.closing:
            return
        if news and (progress := progress_of(job)) != shown:
            yield sse_event("progress", dumps(progress))
            shown = progress
            pulse.spoke()
        news = await watch.changed(pulse.left_s)
        if pulse.left_s <= 0:
            yield PING
            pulse.spoke()


async def _read(gateway: Gateway, job: Job, *, after: int) -> list[JobEvent]:
    read = partial(gateway.services.events.after, job.tenant_id, job.id, after, PAGE)
    return await gateway.threads.quick(read)
