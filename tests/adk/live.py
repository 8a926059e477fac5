"""A running ADK server with the scripted agent, as a test uses it."""

from __future__ import annotations

import select
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from fixtures.eventually import wait_until

APP = "nemo_agent"
_SERVER = Path(__file__).with_name("server.py")
_SESSIONS = f"/apps/{APP}/users/me/sessions"
_START_S = 60.0


@dataclass(frozen=True)
class Recording:
    """The bytes of one turn's stream, and the events that ADK itself kept of it."""

    raw: bytes
    content_type: str
    history: tuple[dict[str, Any], ...]


class AdkServer:
    """One ADK server over HTTP, and the process behind it."""

    def __init__(self, url: str, process: subprocess.Popen[bytes]) -> None:
        self.url = url
        self._process = process
        self._http = httpx.Client(base_url=url, timeout=30, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def kill(self) -> None:
        """End the server's process at once."""
        self._process.kill()

    def new_session(self) -> str:
        return str(self._json("POST", _SESSIONS, json={})["id"])

    def session(self, session_id: str) -> dict[str, Any]:
        """The session as ADK keeps it: its state and its events."""
        found: dict[str, Any] = self._json("GET", f"{_SESSIONS}/{session_id}")
        return found

    def history(self, session_id: str) -> tuple[dict[str, Any], ...]:
        """The events that ADK kept of the agents' side."""
        return tuple(event for event in self.session(session_id)["events"] if event["author"] != "user")

    def played(self, mark: str) -> list[str]:
        """What the scripted model noted under a mark."""
        return list(self._json("GET", f"/scripted/played/{mark}"))

    def tried(self) -> list[str]:
        """Whatever the server tried to do outside this machine."""
        return list(self._json("GET", "/scripted/tried"))

    def record(self, scenario: str, *, streaming: bool) -> Recording:
        """One turn in a new session, straight from the server."""
        session_id = self.new_session()
        body = {
            "app_name": APP,
            "user_id": "me",
            "session_id": session_id,
            "new_message": {"parts": [{"text": order(scenario)}]},
            "streaming": streaming,
        }
        answer = self._http.post("/run_sse", json=body)
        answer.raise_for_status()
        return Recording(answer.content, answer.headers["content-type"], self.history(session_id))

    def _json(self, method: str, path: str, **how: Any) -> Any:
        answer = self._http.request(method, path, **how)
        answer.raise_for_status()
        return answer.json()


@contextmanager
def running(python: Path, home: Path, **environment: str) -> Iterator[AdkServer]:
    """Start a server that sees no setting of ours, and end it with the block."""
    log = home / "server.log"
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            [str(python.absolute()), "-W", "ignore", str(_SERVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=home,
            env={"PATH": "/usr/bin:/bin", "HOME": str(home), **environment},
        ) as process,
    ):
        assert process.stdin is not None
        try:
            server = AdkServer(f"http://127.0.0.1:{_port(process, log)}", process)
            try:
                wait_until(lambda: _answers(server), _START_S)
                yield server
            finally:
                server.close()
        finally:
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def order(scenario: str, mark: str = "") -> str:
    """The message that makes the scripted model play a scenario."""
    return f"play {scenario} #{mark or new_mark()}"


def new_mark() -> str:
    return uuid.uuid4().hex[:12]


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], _START_S)
    line = process.stdout.readline() if ready else b""
    if not line.strip().isdigit():
        process.kill()
        process.wait()
        raise AssertionError(f"the ADK server did not start:\n{log.read_text(errors='replace')[-4000:]}")
    return int(line)


def _answers(server: AdkServer) -> bool:
    try:
        return server.tried() is not None
    except httpx.TransportError:
        return False
