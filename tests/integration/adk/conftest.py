"""A real ADK API server for the run, in an environment of its own, and our client of it."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from adk.environment import environment
from adk.live import AdkServer, Recording, running
from fakes.unthrottled import Unthrottled
from reelqueue.domain.upstream import Credential
from reelqueue.kit.clock import SystemClock
from reelqueue.nemo.client import NemoClient
from reelqueue.nemo.headers import Attribution
from reelqueue.nemo.transport import CallLimits

ROOT = Path(__file__).parents[3]

Connect = Callable[..., NemoClient]
Record = Callable[[str, str], Recording]


@pytest.fixture(scope="session")
def adk_python() -> Path:
    """The interpreter of ADK's environment. Building it takes half a minute, once for each lock."""
    return environment(ROOT / ".cache", ROOT / "requirements-adk.lock")


@pytest.fixture(scope="session")
def adk(adk_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdkServer]:
    """The server as it comes."""
    with running(adk_python, tmp_path_factory.mktemp("adk")) as server:
        yield server


@pytest.fixture(scope="session")
def adk_of_old(adk_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdkServer]:
    """The server with the aggregation of pieces that was the default before ADK 1.22 (contract §5.3)."""
    home = tmp_path_factory.mktemp("adk-of-old")
    with running(adk_python, home, ADK_DISABLE_PROGRESSIVE_SSE_STREAMING="1") as server:
        yield server


@pytest.fixture(scope="session")
def record(request: pytest.FixtureRequest) -> Record:
    """A turn's raw stream, recorded when first asked for, by its scenario and how it was told.

    "whole" is streaming off, "pieces" is streaming on, "pieces of old" is streaming on as older servers did it.
    """

    @cache
    def recording(scenario: str, telling: str) -> Recording:
        server: AdkServer = request.getfixturevalue("adk_of_old" if telling == "pieces of old" else "adk")
        return server.record(scenario, streaming=telling != "whole")

    return recording


@pytest.fixture
def credential() -> Credential:
    return Credential("tok_1", "nmv_usr_CANARY-adk")


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Make a client of a base URL."""
    clients: list[NemoClient] = []

    def make(base_url: str, **limits: float) -> NemoClient:
        client = NemoClient(
            base_url,
            attribution=Attribution("reelqueue", "9.9", "server"),
            limits=replace(CallLimits(), **limits),  # type: ignore[arg-type]
            ssl_context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            clock=SystemClock(),
            throttle=Unthrottled(),
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()
