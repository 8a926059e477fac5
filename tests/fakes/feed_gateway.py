"""A gateway that has nothing but a feed of events: real HTTP, and as unreliable as it is told to be."""

from __future__ import annotations

import json
import sys
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

KEY = "rq_key_of_a_test"
_LONGEST_WAIT_S = 0.3
"""Shorter than it is asked for, so that a follower ends soon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What to do with one question. `cut` closes the connection without a word."""

    status: int = 503
    problem: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is no error: commands end while they wait."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class FeedGateway:
    """Serves `/v1/events` from what was `add`ed, three at a time, and notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.tests: list[tuple[str, Any]] = []
        self._events: list[dict[str, Any]] = []
        self._troubles: deque[Trouble] = deque()
        self._news = threading.Condition()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def add(self, kind: str, *, job: str | None = "job_1", job_seq: int = 1, **data: Any) -> dict[str, Any]:
        """The next event of the feed."""
        about = {} if job is None else {"job": {"id": job, "title": "Käse 🎬"}, "seq": job_seq}
        with self._news:
            seq = len(self._events) + 1
            event = {
                "id": f"evt_{seq}",
                "object": "event",
                "seq": seq,
                "type": kind,
                "timestamp": f"2026-11-27T10:00:{seq:02d}.000Z",
                "job": job,
                "data": {**data, **about},
            }
            self._events.append(event)
            self._news.notify_all()
            return event

    def trouble(self, *troubles: Trouble) -> None:
        """Answer the next questions like this."""
        self._troubles.extend(troubles)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="gateway", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _page(self, asked: Mapping[str, str]) -> dict[str, Any]:
        types = asked.get("types", "").split(",")
        with self._news:
            after = len(self._events) if asked["after"] == "latest" else int(asked["after"])
            if after >= len(self._events):
                self._news.wait(min(float(asked.get("wait", 0)), _LONGEST_WAIT_S))
            last = len(self._events)
            through = self._events[after : after + 3]
            page = [event for event in through if types == [""] or event["type"] in types]
            page = page[: int(asked["limit"])]
            reached = max(after, min(after + 3, last))
            more = reached < last
            return {"object": "list", "data": page, "has_more": more, "next_after": reached, "oldest": 1, "last": last}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                url = urlsplit(self.path)
                assert url.path == "/v1/events"
                asked = {name: values[0] for name, values in parse_qs(url.query).items()}
                gateway.asked.append(asked)
                if gateway._troubles:
                    self._trouble(gateway._troubles.popleft())
                elif self.headers["authorization"] != f"Bearer {KEY}":
                    self._trouble(Trouble(status=401, problem={"code": "unauthorized", "title": "Who are you?"}))
                else:
                    self._answer(200, gateway._page(asked))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                gateway.tests.append((self.path, body))
                sample = {"object": "webhook_sample", "type": body["type"], "event": "evt_1", "message": "msg_1"}
                self._answer(202, sample)

            def _trouble(self, trouble: Trouble) -> None:
                if trouble.cut:
                    self.close_connection = True
                else:
                    self._answer(trouble.status, dict(trouble.problem), trouble.headers)

            def _answer(self, status: int, document: Any, headers: Mapping[str, str] | None = None) -> None:
                body = json.dumps(document).encode()
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        return Handler
