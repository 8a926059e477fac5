"""A webhook receiver that does as it is told: a real HTTP server on a free port of 127.0.0.1."""

from __future__ import annotations

import json
import socketserver
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

_LONGEST_HOLD_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What to do with one POST. `cut` closes the connection without a word; `until` is waited for before either."""

    status: int = 204
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    until: threading.Event | None = None


@dataclass(frozen=True)
class Hook:
    """One POST as it came; header names in lower case, `at` in epoch seconds."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def timestamp(self) -> int:
        return int(self.headers["webhook-timestamp"])

    @cached_property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.body)
        return document

    @property
    def type(self) -> str:
        return str(self.document["type"])

    @property
    def seq(self) -> int:
        return int(self.document["data"]["seq"])

    @property
    def job(self) -> dict[str, Any]:
        job: dict[str, Any] = self.document["data"]["job"]
        return job


class _Server(ThreadingHTTPServer):
    """Binds at once and listens later: between the two, connections are refused and nobody else gets the port."""

    daemon_threads = True

    def server_bind(self) -> None:
        # Not HTTPServer's: it asks the DNS for this machine's name.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class WebhookReceiver:
    """Answers with the replies it was given, in the order the POSTs come; after those with 204.

    With `listening=False` connections are refused until `listen` is called.
    """

    def __init__(self, *replies: Reply, listening: bool = True) -> None:
        self._replies = deque(replies)
        self._lock = threading.Lock()
        self._hooks: list[Hook] = []
        self._server = _Server(("127.0.0.1", 0), self._handler(), bind_and_activate=False)
        self._server.server_bind()
        self._thread: threading.Thread | None = None
        self._waited_for: set[threading.Event] = set()
        if listening:
            self.listen()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook"

    def listen(self) -> None:
        """Accept connections from now on."""
        assert self._thread is None
        self._server.server_activate()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="receiver", daemon=True)
        self._thread.start()

    def script(self, *replies: Reply) -> None:
        """More replies, after those that are left."""
        with self._lock:
            self._replies.extend(replies)

    def hooks(self, job_id: str | None = None) -> list[Hook]:
        """What came so far, in order; all of it, or what is about one job."""
        with self._lock:
            return [hook for hook in self._hooks if job_id is None or hook.job["id"] == job_id]

    def close(self) -> None:
        """Stop. Whoever is held gets an answer first."""
        with self._lock:
            waited_for = set(self._waited_for)
        for event in waited_for:
            event.set()
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self, hook: Hook) -> Reply:
        with self._lock:
            self._hooks.append(hook)
            reply = self._replies.popleft() if self._replies else Reply()
            if reply.until is not None:
                self._waited_for.add(reply.until)
            return reply

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take = self._take

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                reply = take(Hook(self.path, headers, body, time.time()))
                if reply.until is not None:
                    reply.until.wait(_LONGEST_HOLD_S)
                if reply.cut:
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            def log_message(self, *args: object) -> None:
                pass

        return Handler
