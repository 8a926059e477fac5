"""Waiting in an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def soon(condition: Callable[[], object], *, within_s: float = 20.0) -> None:
    """Return once the condition is true, leaving the loop to others meanwhile; fail when patience is over."""
    deadline = asyncio.get_running_loop().time() + within_s
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "it did not become true"
        await asyncio.sleep(0.001)
