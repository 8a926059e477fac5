"""`reelqueue webhooks certify` against receivers that do one thing wrong each."""

from __future__ import annotations

import itertools
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from typer.testing import CliRunner

from reelqueue.cli.app import app
from reelqueue.webhooks.signing import SignatureInvalid, generate_secret, verify

SECRET = generate_secret()
Answer = Callable[[dict[str, str], bytes], int]

FIRST, AGAIN, AT_ONCE = "a message", "the same again", "the same twice at once"
LATE, MANY, LARGE = "a late event of a job after a newer one", "20 messages at once", "a body of 512 KiB"
TWO, SCHEME = "two signatures, while a secret is replaced", "a signature of another scheme beside it"
NO_JOB, TYPE, MEMBER = "an event of no job", "a type it does not know", "a member it does not know"
FORGED, UNSIGNED, GARBLED = "signed with another secret", "no signature", "a signature that is none"
BODY, ID = "a changed body", "another id than was signed"
OLD, AHEAD, AFTER = "a timestamp of ten minutes ago", "a timestamp in ten minutes", "a message, after all that"
EVERY = [FIRST, AGAIN, AT_ONCE, LATE, MANY, LARGE, TWO, SCHEME, NO_JOB, TYPE, MEMBER]
EVERY += [FORGED, UNSIGNED, GARBLED, BODY, ID, OLD, AHEAD, AFTER]


def fits(headers: dict[str, str], body: bytes, **how: Any) -> bool:
    try:
        return bool(verify(SECRET, headers, body=body, now=int(time.time()), **how))
    except SignatureInvalid:
        return False


def good(headers: dict[str, str], body: bytes) -> int:
    """What a receiver should do."""
    return 204 if fits(headers, body) else 401


class Memory:
    """A receiver that remembers, wrongly: it answers 409 to what it has seen, as `key` says."""

    def __init__(self, key: Callable[[dict[str, str], dict[str, Any]], Any]) -> None:
        self._key = key
        self._seen: set[Any] = set()
        self._lock = threading.Lock()

    def __call__(self, headers: dict[str, str], body: bytes) -> int:
        if (status := good(headers, body)) != 204:
            return status
        with self._lock:
            key = self._key(headers, json.loads(body)["data"])
            known = key in self._seen
            self._seen.add(key)
            return 409 if known else 204


def no_older_seq() -> Answer:
    newest: dict[str, int] = {}

    def answer(headers: dict[str, str], body: bytes) -> int:
        data = json.loads(body)["data"]
        if "job" not in data or not fits(headers, body):
            return good(headers, body)
        before = newest.get(data["job"]["id"], 0)
        newest[data["job"]["id"]] = max(before, data["seq"])
        return 204 if data["seq"] >= before else 409

    return answer


def taking(told: Callable[[dict[str, Any]], bool]) -> Answer:
    """Good, but for those events 422."""
    return lambda headers, body: 422 if fits(headers, body) and told(json.loads(body)) else good(headers, body)


def only_first_signature(headers: dict[str, str], body: bytes) -> int:
    first = headers.get("webhook-signature", "").partition(" ")[0]
    return good({**headers, "webhook-signature": first}, body)


def ids_unsigned(headers: dict[str, str], body: bytes) -> int:
    """Looks whether there is a signature, and no further."""
    return 204 if headers.get("webhook-signature", "").startswith("v1") else 401


WRONG: dict[str, tuple[Callable[[], Answer], list[str]]] = {
    "answers 409 to an id it has": (lambda: Memory(lambda headers, _: headers["webhook-id"]), [AGAIN, AT_ONCE]),
    "answers 409 to an older seq": (no_older_seq, [LATE]),
    "takes 100 KiB": (lambda: lambda headers, body: 413 if len(body) > 102_400 else good(headers, body), [LARGE]),
    "reads the first signature only": (lambda: only_first_signature, [TWO, SCHEME]),
    "expects a job": (lambda: taking(lambda event: "job" not in event["data"]), [NO_JOB]),
    "knows its types": (lambda: taking(lambda event: event["type"] != "job.succeeded"), [NO_JOB, TYPE]),
    "knows its members": (lambda: taking(lambda event: set(event) != {"type", "timestamp", "data"}), [MEMBER]),
    "verifies nothing": (lambda: lambda _, __: 200, [FORGED, UNSIGNED, GARBLED, BODY, ID, OLD, AHEAD]),
    "asks for a signature, whichever": (lambda: ids_unsigned, [FORGED, GARBLED, BODY, ID, OLD, AHEAD]),
    "does not look at the time": (
        lambda: lambda headers, body: 204 if fits(headers, body, tolerance_s=10**6) else 401,
        [OLD, AHEAD],
    ),
    "says gone to what it cannot verify": (
        lambda: lambda headers, body: 204 if fits(headers, body) else 410,
        [FORGED, UNSIGNED, GARBLED, BODY, ID, OLD, AHEAD],
    ),
    "redirects": (lambda: lambda _, __: 308, [FIRST]),
    "wants no more": (lambda: lambda _, __: 410, [FIRST]),
}


@pytest.fixture
def certify(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Answer], tuple[int, list[dict[str, Any]]]]]:
    """Run the command against a receiver; its exit code and what it reports."""
    monkeypatch.setenv("REELQUEUE_WEBHOOK_SECRET", SECRET)
    servers = []

    def run(answer: Answer) -> tuple[int, list[dict[str, Any]]]:
        server = Server(("127.0.0.1", 0), handler(answer))
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        done = CliRunner().invoke(app, ["webhooks", "certify", f"http://localhost:{server.server_port}/hook"])
        assert SECRET not in done.output
        return done.exit_code, [json.loads(line) for line in done.output.splitlines()]

    yield run
    for server in servers:
        server.shutdown()
        server.server_close()


class Server(ThreadingHTTPServer):
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def handler(answer: Answer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(answer({name.lower(): value for name, value in self.headers.items()}, body))
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    return Handler


def test_a_good_receiver_has_nothing_wrong(certify):
    code, [*rows, end] = certify(good)
    assert code == 0
    assert [row["case"] for row in rows] == EVERY
    assert {row["verdict"] for row in rows} == {"ok"}
    assert end == {"ok": len(EVERY), "warnings": 0, "wrong": 0, "untried": 0}


@pytest.mark.parametrize("name", WRONG)
def test_what_a_receiver_does_wrong_is_found_and_nothing_else(certify, name):
    make, cases = WRONG[name]
    code, [*rows, end] = certify(make())
    assert code == 1
    wrong = {row["case"]: row for row in rows if row["verdict"] == "wrong"}
    assert list(wrong) == cases
    assert all(row["wrong"] and row["advice"] for row in wrong.values())
    assert end["wrong"] == len(cases)


def test_of_one_that_takes_no_plain_message_nothing_more_is_asked(certify):
    code, rows = certify(lambda _, __: 401)
    assert code == 1
    assert [row.get("case") for row in rows] == [FIRST, None]
    assert rows[-1] == {"ok": 0, "warnings": 0, "wrong": 1, "untried": len(EVERY) - 1}


def test_one_that_breaks_over_a_forged_message_is_warned_of(certify):
    code, rows = certify(lambda headers, body: 204 if fits(headers, body) else 500)
    assert code == 0
    warned = [row["case"] for row in rows if row.get("verdict") == "warning"]
    assert warned == [FORGED, UNSIGNED, GARBLED, BODY, ID, OLD, AHEAD]


def test_what_is_said_to_come_at_once_is_under_way_at_once(certify):
    """The receiver answers none of them before it has all."""
    pairs, crowds = threading.Barrier(2), threading.Barrier(20)
    before, lock = itertools.count(), threading.Lock()

    def answer(headers: dict[str, str], body: bytes) -> int:
        with lock:
            number = next(before)
        if number in range(2, 4):
            pairs.wait(30)
        elif number in range(6, 26):
            crowds.wait(30)
        return good(headers, body)

    code, rows = certify(answer)
    assert code == 0, rows
    assert next(before) == 2 + 2 + 2 + 20 + 1 + 2 + 1 + 3 + 2 + 3 + 2 + 2 + 1
