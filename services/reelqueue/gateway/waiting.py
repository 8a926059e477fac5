"""`Prefer: wait=N`: hold the answer back until the job has ended, or N seconds are over."""

from __future__ import annotations

import asyncio
from functools import partial

from reelqueue.domain.jobs import Job
from reelqueue.gateway.context import Call
from reelqueue.gateway.hub import LOOK_AGAIN_S


async def until_final(call: Call, job: Job, *, seconds: int) -> Job:
    """The job as it is when it has ended, the time is over, the client has left or the process stops."""
    gateway = call.gateway
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + seconds
    with gateway.hub.watch(job.id) as watch:
        news = True
        while not job.status.is_final:
            if news:
                job = await gateway.threads.quick(partial(gateway.services.jobs.find, call.tenant_id, job.id))
            left = ends_at - loop.time()
            if left <= 0 or watch.closing or await call.is_disconnected():
                break
            if not job.status.is_final:
                # Not for the whole time: nothing wakes us when the client leaves.
                news = await watch.changed(min(left, LOOK_AGAIN_S))
    return job
