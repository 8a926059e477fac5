"""Serving: one or several processes on one port."""

from __future__ import annotations

import signal
import sys
from typing import Final

import uvicorn

from reelqueue.gateway.protocol import GatewayProtocol

APP: Final = "reelqueue.gateway.asgi:app_factory"
KEEP_ALIVE_S: Final = 65
"""Longer than the minute after which most load balancers drop an idle connection: they should be the ones to."""
GRACE_S: Final = 30
"""After SIGTERM, for uploads and answers under way. Streams and waits end at once and lose nothing."""


def serve(*, host: str, port: int, processes: int = 1) -> None:
    """Serve until SIGTERM or SIGINT, then exit with 0. Each process makes its own services from the environment."""
    # uvicorn stops in order and then raises the signal once more, for whoever waits to see it. A stop that was asked
    # for is no failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run(
        APP,
        factory=True,
        host=host,
        port=port,
        workers=processes,
        loop="uvloop",
        http=GatewayProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
