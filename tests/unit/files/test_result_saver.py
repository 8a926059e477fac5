"""Finished videos."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from fakes import media
from reelqueue.egress import DestinationForbidden, EgressFailed, FetchedFile, Sink, UrlInvalid
from reelqueue.errors import DependencyUnavailable, ReelqueueError, ResultUnusable, StorageFull, UpstreamUnavailable
from reelqueue.files.keys import result_key
from reelqueue.files.local import LocalBlobs
from reelqueue.files.mp4 import VideoInfo
from reelqueue.files.results import ResultSaver, SavedResult
from reelqueue.files.spool import Spool, SpooledFile

MP4 = media.mp4(1080, 1920, ms=4_000)
URL = "https://cdn.example/out.mp4"
KEY = result_key("ten_1", "job_1")
SAVED = SavedResult(hashlib.sha256(MP4).hexdigest(), len(MP4), VideoInfo(4_000, 1080, 1920))


class Answer:
    """An egress client with one answer. It has no way to be given a header, so none can carry a token."""

    def __init__(self, content: bytes = MP4, failure: Exception | None = None) -> None:
        self.content = content
        self.failure = failure

    def fetch(self, url: str, sink: Sink, *, max_bytes: int, deadline_s: float, max_redirects: int = 3) -> FetchedFile:
        assert (url, max_bytes, deadline_s) == (URL, 10_000, 9.0)
        sink.write(self.content[:50])
        sink.write(self.content[50:])
        if self.failure:
            raise self.failure
        return FetchedFile(url, "video/mp4", len(self.content))


def saver(root: Path, answer: Answer | None = None, *, blobs: LocalBlobs | None = None) -> ResultSaver:
    blobs = blobs or LocalBlobs(root)
    return ResultSaver(answer or Answer(), Spool(root), blobs, max_bytes=10_000, deadline_s=9.0)


def files(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]


def test_saving(tmp_path: Path):
    for _ in range(2):  # a second time after a crash puts the same file in place of itself
        assert saver(tmp_path).save(URL, KEY) == SAVED
        assert files(tmp_path) == [KEY]
    assert (tmp_path / KEY).read_bytes() == MP4


def failure_of(root: Path, answer: Answer) -> ReelqueueError:
    with pytest.raises(ReelqueueError) as caught:
        saver(root, answer).save(URL, KEY)
    assert files(root) == []
    return caught.value


@pytest.mark.parametrize(
    "answer",
    [
        Answer(MP4[:-1]),
        Answer(b"<html>sign in</html>"),
        Answer(b""),
        Answer(media.webm()),
        Answer(MP4 + bytes(10_000)),
        *[Answer(failure=EgressFailed("status", "s", http_status=status)) for status in (204, 302, 400, 403, 404, 410)],
        Answer(failure=EgressFailed("read", "peer closed", http_status=200)),
        Answer(failure=EgressFailed("too_large", "Content-Length", http_status=200)),
        Answer(failure=EgressFailed("redirect", "too many", http_status=302)),
        Answer(failure=UrlInvalid()),
        Answer(failure=DestinationForbidden("not public")),
    ],
)
def test_a_result_that_is_no_use(answer: Answer, tmp_path: Path):
    error = failure_of(tmp_path, answer)
    assert isinstance(error, ResultUnusable)
    assert URL not in str(error)


@pytest.mark.parametrize(
    "failure",
    [
        EgressFailed("resolve", "no answer"),
        EgressFailed("connect", "refused"),
        EgressFailed("tls", "handshake"),
        EgressFailed("wait", "deadline passed"),
        *[EgressFailed("status", "s", http_status=status) for status in (408, 429, 500, 503)],
    ],
)
def test_a_server_that_may_answer_later(failure: EgressFailed, tmp_path: Path):
    assert isinstance(failure_of(tmp_path, Answer(failure=failure)), UpstreamUnavailable)


class FullBlobs(LocalBlobs):
    def keep(self, spooled: SpooledFile, key: str) -> None:
        raise StorageFull


def test_no_room_for_it(tmp_path: Path):
    with pytest.raises(StorageFull):
        saver(tmp_path, blobs=FullBlobs(tmp_path)).save(URL, KEY)
    assert files(tmp_path) == []


class TestStream:
    def test_saving(self, tmp_path: Path):
        def write_into(sink):
            sink(MP4[:10])
            sink(MP4[10:])

        assert saver(tmp_path).save_stream(KEY, write_into) == SAVED
        assert files(tmp_path) == [KEY]

    def test_what_the_source_raises_passes(self, tmp_path: Path):
        def write_into(sink):
            sink(MP4)
            raise DependencyUnavailable

        with pytest.raises(DependencyUnavailable):
            saver(tmp_path).save_stream(KEY, write_into)
        assert files(tmp_path) == []

    @pytest.mark.parametrize("content", [MP4[:-1], b"", MP4 + bytes(10_000)])
    def test_a_result_that_is_no_use(self, content: bytes, tmp_path: Path):
        with pytest.raises(ResultUnusable):
            saver(tmp_path).save_stream(KEY, lambda sink: sink(content))
        assert files(tmp_path) == []
