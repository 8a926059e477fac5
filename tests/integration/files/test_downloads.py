"""Inputs and results over real HTTP, on loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from fakes import media
from fakes.workshops import workshop
from reelqueue.egress import EgressClient, EgressPolicy, SystemResolver, parse_networks, tls_context
from reelqueue.errors import FileTooLarge, ReelqueueError, ResultUnusable, SourceUnreachable, UpstreamUnavailable
from reelqueue.files.intake import InputFetcher
from reelqueue.files.keys import result_key
from reelqueue.files.limits import FileLimits
from reelqueue.files.local import LocalBlobs
from reelqueue.files.results import ResultSaver
from reelqueue.files.spool import Spool
from reelqueue.kit.clock import SystemClock
from reelqueue.nemo.error_table import ROWS, Row, Where

PNG = media.png()
MP4 = media.mp4(1080, 1920, ms=4_000, media=300_000)
KEY = result_key("ten_1", "job_1")


class Handler(BaseHTTPRequestHandler):
    """Files by path. It notes the headers it was sent."""

    seen: ClassVar[list[dict[str, str]]] = []

    def do_GET(self) -> None:
        type(self).seen.append({name.lower(): value for name, value in self.headers.items()})
        status, headers, body = ANSWERS.get(self.path.partition("?")[0], (404, {}, b"nothing here"))
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


ANSWERS: dict[str, tuple[int, dict[str, str], bytes]] = {
    "/photo.png": (200, {"Content-Type": "image/png"}, PNG),
    "/out.mp4": (200, {"Content-Type": "video/mp4"}, MP4),
    "/moved": (302, {"Location": "/photo.png"}, b""),
    "/moved.mp4": (302, {"Location": "/out.mp4"}, b""),
    "/short.png": (200, {"Content-Length": "5000"}, PNG),
    "/short.mp4": (200, {"Content-Length": str(len(MP4) + 1)}, MP4),
    "/large.png": (200, {}, PNG + bytes(2_000_000)),
    "/expired.mp4": (403, {}, b"<Error>AccessDenied</Error>"),
    **{f"/{status}.mp4": (status, {}, b"no") for status in (400, 404, 408, 410, 425, 429, 500, 503)},
    "/page.mp4": (200, {"Content-Type": "text/html"}, b"<!doctype html>"),
}


@pytest.fixture
def origin() -> Iterator[str]:
    Handler.seen.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def egress() -> EgressClient:
    policy = EgressPolicy(allow=parse_networks("127.0.0.0/8"))
    return EgressClient(policy, SystemResolver(), ssl_context=tls_context(), clock=SystemClock())


@pytest.fixture
def inputs(egress: EgressClient, tmp_path: Path) -> InputFetcher:
    spool = Spool(tmp_path)
    limits = FileLimits(max_file_bytes=1_000_000, max_picture_bytes=1_000_000)
    return InputFetcher(egress, spool, limits=limits, workshop=workshop(spool), deadline_s=10)


@pytest.fixture
def results(egress: EgressClient, tmp_path: Path) -> ResultSaver:
    return ResultSaver(egress, Spool(tmp_path), LocalBlobs(tmp_path), max_bytes=1_000_000, deadline_s=10)


def files(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]


@pytest.mark.parametrize("path", ["/photo.png?sig=x", "/moved"])
def test_an_input(path: str, origin: str, inputs: InputFetcher, tmp_path: Path):
    received = inputs.fetch(origin + path)
    assert (received.label, received.info.media_type, received.bytes) == ("photo.png", "image/png", len(PNG))
    assert received.spooled.path.read_bytes() == PNG
    received.spooled.discard()
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("path", "error"),
    [("/none.png", SourceUnreachable), ("/short.png", SourceUnreachable), ("/large.png", FileTooLarge)],
)
def test_an_input_that_does_not_come(
    path: str, error: type[ReelqueueError], origin: str, inputs: InputFetcher, tmp_path: Path
):
    with pytest.raises(error):
        inputs.fetch(origin + path)
    assert files(tmp_path) == []


@pytest.mark.parametrize("path", ["/out.mp4", "/moved.mp4"])
def test_a_result(path: str, origin: str, results: ResultSaver, tmp_path: Path):
    saved = results.save(origin + path, KEY)
    assert (saved.bytes, saved.info.width, saved.info.duration_ms) == (len(MP4), 1080, 4_000)
    assert files(tmp_path) == [KEY]
    assert (tmp_path / KEY).read_bytes() == MP4
    assert Handler.seen
    assert not any({"authorization", "cookie"} & set(headers) for headers in Handler.seen)


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/expired.mp4", ResultUnusable),
        ("/none.mp4", ResultUnusable),
        ("/short.mp4", ResultUnusable),
        ("/page.mp4", ResultUnusable),
        ("/large.png", ResultUnusable),
        ("/503.mp4", UpstreamUnavailable),
    ],
)
def test_a_result_that_does_not_come(
    path: str, error: type[ReelqueueError], origin: str, results: ResultSaver, tmp_path: Path
):
    with pytest.raises(error):
        results.save(origin + path, KEY)
    assert files(tmp_path) == []


SAID = {
    "any other 4xx": ("/400.mp4", "/404.mp4", "/410.mp4", "/expired.mp4"),
    "any 5xx": ("/500.mp4", "/503.mp4"),
    "cut short": ("/short.mp4",),
    "no MP4": ("/page.mp4",),
    "larger than allowed": ("/large.png",),
}


@pytest.mark.parametrize("row", [row for row in ROWS if row.where is Where.FILE], ids=lambda row: str(row.what))
def test_a_file_is_missed_as_the_error_table_says(row: Row, origin: str, results: ResultSaver):
    urls = [origin + path for path in SAID.get(str(row.what), (f"/{row.what}.mp4",))]
    for url in ["http://127.0.0.1:1/out.mp4"] if row.what == "no answer" else urls:
        with pytest.raises(ReelqueueError) as caught:
            results.save(url, KEY)
        assert type(caught.value) is row.error


def test_a_result_on_a_forbidden_address(tmp_path: Path, origin: str):
    strict = EgressClient(EgressPolicy(), SystemResolver(), ssl_context=tls_context(), clock=SystemClock())
    saver = ResultSaver(strict, Spool(tmp_path), LocalBlobs(tmp_path))
    with pytest.raises(ResultUnusable):
        saver.save(origin + "/out.mp4", KEY)
    assert Handler.seen == []
    assert files(tmp_path) == []
