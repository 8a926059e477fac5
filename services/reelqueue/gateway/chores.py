"""What a gateway does beside answering: notes which keys were used, and removes what nobody may keep any longer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final

from reelqueue.errors import DependencyUnavailable
from reelqueue.gateway.context import Gateway
from reelqueue.kit.logs import get_logger

TOUCH_EVERY_S: Final = 60.0
SWEEP_EVERY_S: Final = 3600.0
ERASE_EVERY_S: Final = 10.0
FORGET_EVERY_S: Final = 600.0

_log = get_logger(__name__)


@asynccontextmanager
async def chores(gateway: Gateway) -> AsyncIterator[None]:
    """Done now and then within the block; the keys once more at its end."""
    tasks = [
        asyncio.create_task(chore(gateway))
        for chore in (_touch_keys, _sweep_files, _erase_files, _forget_events, _look_at_keys)
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await _touch_once(gateway)


async def _touch_keys(gateway: Gateway) -> None:
    """`last_used_at` is for people, and not worth a write a request."""
    while True:
        await asyncio.sleep(TOUCH_EVERY_S)
        await _touch_once(gateway)


async def _touch_once(gateway: Gateway) -> None:
    used = gateway.authenticator.take_used()
    if used:
        with suppress(DependencyUnavailable):
            await gateway.threads.quick(partial(gateway.services.api_keys.touch, used))


async def _sweep_files(gateway: Gateway) -> None:
    """Not at the start: a gateway that is restarted often would read the whole store each time."""
    while True:
        await asyncio.sleep(SWEEP_EVERY_S)
        try:
            removed = await gateway.threads.slow(gateway.services.orphan_sweep.run)
        except (DependencyUnavailable, OSError):
            _log.warning("files.sweep_failed", exc_info=True)
        else:
            _log.info("files.swept", removed=removed)


async def _erase_files(gateway: Gateway) -> None:
    """Of tenants whose rows are gone. A store that breaks off is gone on with once the claim has run out."""
    while True:
        await asyncio.sleep(ERASE_EVERY_S)
        try:
            removed = await gateway.threads.slow(gateway.services.file_eraser.run)
        except (DependencyUnavailable, OSError):
            _log.warning("files.erasure_failed", exc_info=True)
        else:
            if removed:
                _log.info("files.erased", removed=removed)


async def _forget_events(gateway: Gateway) -> None:
    """All that is old, a bounded part at a time."""
    while True:
        await asyncio.sleep(FORGET_EVERY_S)
        try:
            while forgotten := await gateway.threads.slow(gateway.services.feed_keeping.run):
                _log.info("feed.forgotten", events=forgotten)
        except DependencyUnavailable:
            _log.warning("feed.forgetting_failed", exc_info=True)


async def _look_at_keys(gateway: Gateway) -> None:
    """Of those who are being streamed to."""
    await gateway.guests.keep_looking()
