"""Both origins in one process: bind, say so, serve, and end cleanly on a signal."""

import asyncio
import contextlib
import json
import os
import resource
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from nemotwin.app import api_app
from nemotwin.cdn import cdn_app
from nemotwin.doors import BACKLOG, Door, bind
from nemotwin.gate import Gate
from nemotwin.snapshot import Snapshot, keep_saving, load, save
from nemotwin.world import ORIGINS, World

GRACE_SECONDS = 1
KEEP_ALIVE_SECONDS = 75


@dataclass(frozen=True, slots=True)
class Place:
    """Where to listen, where to keep the state (`None`: nowhere), and where to write what `announce` describes."""

    host: str
    port: int
    cdn_port: int
    state_file: Path | None
    ready_file: Path | None


class _Server(uvicorn.Server):
    """A server that leaves the signals to `serve`, since there are two of them, and tells when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(world: World, place: Place) -> None:
    """Serve until SIGTERM or SIGINT; then break off what runs, save the state and return."""
    _allow_many_files()
    api, cdn = bind(place.host, place.port), bind(place.host, place.cdn_port)
    for bound in (api, cdn):
        bound.listen(BACKLOG)
    world.serve_files_at(_url(cdn))
    _restore(world, place.state_file)
    servers = [
        _server(Gate(api_app(world), world, origin="api"), world),
        _server(Gate(cdn_app(world), world, origin="cdn"), world),
    ]
    for origin, server, bound in zip(ORIGINS, servers, (api, cdn), strict=True):
        world.doors[origin] = Door(server, bound.getsockname()[:2], clock=world.clock, open_=world.connections)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for wanted in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(wanted, stopping.set)
    if world.dials.now.instant:
        await world.films.tiny()
    saving = asyncio.create_task(_saving(world, place.state_file))
    serving = [
        asyncio.create_task(server.serve(sockets=[bound])) for server, bound in zip(servers, (api, cdn), strict=True)
    ]
    await asyncio.gather(*(server.listening.wait() for server in servers))
    announce(place.ready_file, url=_url(api), cdn_url=_url(cdn))
    sys.stdout.write(f"nemotwin listens on {_url(api)}, its files are on {_url(cdn)}\n")
    sys.stdout.flush()
    await stopping.wait()
    saving.cancel()
    if place.state_file is not None:
        # Before the running work is broken off: a restart then finds it as a crash would have left it.
        save(place.state_file, world.snapshot())
    # A stream that ended now would look like a turn that ended: cut them instead.
    world.connections.cut_all()
    await world.stop_work()
    for server in servers:
        server.should_exit = True
    await asyncio.gather(*serving, saving, return_exceptions=True)
    world.films.close()


def announce(ready_file: Path | None, *, url: str, cdn_url: str) -> None:
    """Write `{"url", "cdn_url", "pid"}` to the ready file, in one piece."""
    if ready_file is None:
        return
    partial = ready_file.with_name(f"{ready_file.name}.part")
    partial.write_text(json.dumps({"url": url, "cdn_url": cdn_url, "pid": os.getpid()}))
    partial.replace(ready_file)


def _restore(world: World, state_file: Path | None) -> None:
    if state_file is None:
        return
    world.restore(load(state_file))
    world.renders.resume(world.ledger.book.renders)


async def _saving(world: World, state_file: Path | None) -> None:
    if state_file is None:
        return
    busy = False

    def take() -> Snapshot | None:
        nonlocal busy
        was_busy, busy = busy, world.turns.running > 0 or world.renders.working > 0
        if not (world.touched or was_busy or busy):
            return None
        world.touched = False
        return world.snapshot()

    await keep_saving(state_file, take)


def _server(app: ASGIApp, world: World) -> _Server:
    config = uvicorn.Config(
        app,
        http=world.connections.protocol(),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        backlog=BACKLOG,
    )
    return _Server(config)


def _url(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _allow_many_files() -> None:
    """A stream is an open file, and the usual soft limit of 1,024 is less than a load test opens."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
