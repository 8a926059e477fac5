"""A job's events as Server-Sent Events: what happened so far, then what happens, until the job has ended."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, Final

from reelqueue.domain.documents import event_document, job_document
from reelqueue.domain.jobs import TERMINAL_EVENTS, Job, JobEvent
from reelqueue.gateway.context import Gateway
from reelqueue.gateway.responses import dumps

PAGE: Final = 500
_RETRY_MS: Final = (2_000, 5_000)
"""How long a client waits before it comes back: not all of them at once after a restart."""
PING: Final = b": ping\n\n"


def sse_event(kind: str, document: Any, *, event_id: int | None = None) -> bytes:
    """One event, its document on one line. Without an id, a client's place in the stream does not move."""
    head = f"event: {kind}\n" if event_id is None else f"id: {event_id}\nevent: {kind}\n"
    return head.encode() + b"data: " + dumps(document) + b"\n\n"


def retry_line(rng: random.Random) -> bytes:
    """The client's delay before it reconnects."""
    return f"retry: {rng.randint(*_RETRY_MS)}\n\n".encode()


def progress_of(job: Job) -> dict[str, Any]:
    """What moves between events."""
    document = job_document(job)
    return {name: document[name] for name in ("id", "status", "progress", "waiting", "step")}


async def job_events(gateway: Gateway, job: Job, *, after: int) -> AsyncIterator[bytes]:
    """The stream: durable events from `after` on, by id; between them progress, which is not kept and has no id.

    Ends after the terminal event, or when the process stops: a client that comes back loses nothing.
    """
    services = gateway.services
    loop = asyncio.get_running_loop()
    ping_s = services.settings.gateway.sse_ping_s
    yield retry_line(services.rng)
    shown: dict[str, Any] | None = None
    spoke_at = loop.time()
    with gateway.hub.watch(job.id) as watch:
        while True:
            job = await gateway.threads.quick(partial(services.jobs.find, job.tenant_id, job.id))
            while after < job.event_seq:
                events = await _read(gateway, job, after=after)
                for event in events:
                    yield sse_event(event.type.value, event_document(event), event_id=event.seq)
                    after, spoke_at = event.seq, loop.time()
                    if event.type in TERMINAL_EVENTS:
                        return
                if not events:
                    break
            if job.status.is_final or watch.closing:
                return
            if (progress := progress_of(job)) != shown:
                yield sse_event("progress", progress)
                shown, spoke_at = progress, loop.time()
            await watch.changed(spoke_at + ping_s - loop.time())
            if loop.time() - spoke_at >= ping_s:
                yield PING
                spoke_at = loop.time()


async def _read(gateway: Gateway, job: Job, *, after: int) -> list[JobEvent]:
    read = partial(gateway.services.events.after, job.tenant_id, job.id, after, PAGE)
    return await gateway.threads.quick(read)
