"""A job's events as they happen: what happened so far, then what happens, until the job has ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from reelqueue.domain.documents import event_document, progress_document
from reelqueue.domain.following import JobNews
from reelqueue.domain.jobs import TERMINAL_EVENTS
from reelqueue.gateway.context import Gateway
from reelqueue.gateway.event_stream import PING, Pulse, sse_event
from reelqueue.gateway.hub import Watch
from reelqueue.gateway.responses import dumps

PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Follower:
    """Reads one job of a tenant and its events, and tells the watch which version of it that was."""

    gateway: Gateway
    tenant_id: str
    job_id: str
    watch: Watch

    async def news(self, after: int) -> JobNews:
        """The job and what follows `after`, in one turn of a thread. Raises `NotFound`, `DependencyUnavailable`."""
        read = partial(self.gateway.services.events.news, self.tenant_id, self.job_id, after, PAGE)
        news = await self.gateway.threads.quick(read)
        self.watch.saw(news.version)
        return news


async def job_events(follower: Follower, news: JobNews, *, after: int) -> AsyncIterator[bytes]:
    """Durable events from `after` on, by id; between them progress, which is not kept and has no id.

    `news` is what was read of it since it is watched. Ends after the terminal event, or when the watch is closing.
    Raises `NotFound`, `DependencyUnavailable`.
    """
    watch = follower.watch
    pulse = Pulse(follower.gateway.services.settings.gateway.sse_ping_s)
    shown: dict[str, Any] | None = None
    while True:
        lines, ended = [], False
        for event in news.events:
            lines.append(sse_event(event.type.value, dumps(event_document(event)), event_id=event.seq))
            after = event.seq
            if event.type in TERMINAL_EVENTS:
                ended = True
                break
        behind = bool(news.events) and after < news.job.event_seq
        ended = ended or (not behind and (news.job.status.is_final or watch.closing))
        if not (behind or ended) and (progress := progress_document(news.job)) != shown:
            lines.append(sse_event("progress", dumps(progress)))
            shown = progress
        if lines:
            yield b"".join(lines)
            pulse.spoke()
        if ended:
            return
        while not behind and not await watch.changed(pulse.left_s):
            if pulse.left_s <= 0:
                yield PING
                pulse.spoke()
        news = await follower.news(after)
