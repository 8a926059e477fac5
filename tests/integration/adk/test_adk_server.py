"""What the tests of this directory stand on: an environment that is built once, a server that stays at home."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adk import server
from adk.environment import AdkUnavailable, environment
from adk.live import AdkServer

# The first run builds an environment.
pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).parents[3]

PRETENDER = """#!/bin/sh
case "$2" in
venv) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
pip) echo built >> '{log}'; test ! -e '{broken}' || {{ echo 'no matching distribution' >&2; exit 1; }} ;;
esac
"""


@pytest.fixture
def pretender(tmp_path: Path) -> str:
    """A program that builds an environment as far as anyone can see, unless `broken` exists, and counts."""
    path = tmp_path / "python"
    path.write_text(PRETENDER.format(log=tmp_path / "log", broken=tmp_path / "broken"))
    path.chmod(0o755)
    return str(path)


def builds(tmp_path: Path) -> int:
    return len((tmp_path / "log").read_text().splitlines())


def test_the_server_keeps_to_this_machine(adk: AdkServer, adk_of_old: AdkServer) -> None:
    for one in (adk, adk_of_old):
        for streaming in (False, True):
            one.record("transfer", streaming=streaming)
        assert one.tried() == []


@pytest.mark.parametrize(
    ("event", "args"),
    [
        ("socket.connect", (None, ("192.0.2.1", 443))),
        ("socket.connect", (None, ("2001:db8::1", 443, 0, 0))),
        ("socket.sendto", (None, ("192.0.2.1", 53))),
        ("socket.getaddrinfo", ("telemetry.example", 443, 0, 0, 0)),
        ("subprocess.Popen", ("curl", ["curl"], None, None)),
        ("os.system", (b"true",)),
    ],
)
def test_the_fence_refuses_and_remembers(event: str, args: tuple[object, ...]) -> None:
    fence = server.Fence()
    with pytest.raises(PermissionError):
        fence(event, args)
    assert len(fence.tried) == 1
    fence("socket.connect", (None, ("127.0.0.1", 1)))
    fence("socket.getaddrinfo", ("localhost", 1, 0, 0, 0))
    fence("open", ("/etc/hosts", "r", 0))
    assert len(fence.tried) == 1


def test_the_environment_is_built_once(tmp_path: Path, pretender: str) -> None:
    lock = tmp_path / "lock"
    lock.write_text("a==1\n")
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: environment(tmp_path / "cache", lock, python=pretender), range(4)))
    assert (len(found), builds(tmp_path)) == (1, 1)
    lock.write_text("a==2\n")
    assert environment(tmp_path / "cache", lock, python=pretender) not in found
    assert builds(tmp_path) == 2


def test_an_environment_that_cannot_be_built_is_a_failure_and_is_built_anew(tmp_path: Path, pretender: str) -> None:
    lock, broken = tmp_path / "lock", tmp_path / "broken"
    lock.write_text("a==1\n")
    broken.touch()
    with pytest.raises(AdkUnavailable, match=r"could not be built(?s:.*)no matching distribution"):
        environment(tmp_path / "cache", lock, python=pretender)
    broken.unlink()
    assert environment(tmp_path / "cache", lock, python=pretender).exists()
    assert builds(tmp_path) == 2


def test_a_program_that_is_missing_is_a_failure(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text("a==1\n")
    with pytest.raises(AdkUnavailable, match="could not be built"):
        environment(tmp_path / "cache", lock, python=str(tmp_path / "nothing"))


def test_the_environment_runs_what_the_lock_names(adk_python: Path) -> None:
    version = subprocess.run(
        [adk_python, "-c", "from importlib.metadata import version; print(version('google-adk'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert f"google-adk=={version} " in (ROOT / "requirements-adk.lock").read_text()
