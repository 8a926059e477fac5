"""Inputs by URL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fakes import media
from fakes.workshops import workshop
from reelqueue.domain.repairs import Repair
from reelqueue.egress import DestinationForbidden, EgressFailed, FetchedFile, NoSuchName, Sink
from reelqueue.errors import (
    DestinationNotAllowed,
    FileContentMismatch,
    FileTooLarge,
    FileTypeNotAllowed,
    SourceUnreachable,
)
from reelqueue.files.intake import InputFetcher
from reelqueue.files.limits import FileLimits
from reelqueue.files.received import ReceivedFile
from reelqueue.files.spool import Spool

PNG = media.png()


class Answer:
    """An egress client with one answer."""

    def __init__(
        self,
        content: bytes = PNG,
        *,
        media_type: str | None = None,
        led_to: str | None = None,
        failure: Exception | None = None,
    ) -> None:
        self.content = content
        self.media_type = media_type
        self.led_to = led_to
        self.failure = failure
        self.asked: list[tuple[int, float]] = []

    def fetch(self, url: str, sink: Sink, *, max_bytes: int, deadline_s: float, max_redirects: int = 3) -> FetchedFile:
        self.asked.append((max_bytes, deadline_s))
        for start in range(0, len(self.content), 20):
            sink.write(self.content[start : start + 20])
        if self.failure:
            raise self.failure
        return FetchedFile(self.led_to or url, self.media_type, len(self.content))


Fetch = Callable[[str, Answer], ReceivedFile]


@pytest.fixture
def fetch(tmp_path: Path) -> Fetch:
    def fetched(url: str, answer: Answer) -> ReceivedFile:
        spool = Spool(tmp_path)
        limits = FileLimits(max_file_bytes=5_000, max_picture_bytes=6_000)
        fetcher = InputFetcher(answer, spool, limits=limits, workshop=workshop(spool), deadline_s=7.0)
        try:
            received = fetcher.fetch(url)
        except BaseException:
            assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
            raise
        assert answer.asked == [(6_000, 7.0)]
        assert received.spooled.finished
        assert received.spooled.path.read_bytes() == answer.content
        received.spooled.discard()
        return received

    return fetched


@pytest.mark.parametrize(
    ("url", "answer", "label"),
    [
        ("https://h/photo.png?x=1.jpg#y.gif", Answer(media_type="text/plain"), "photo.png"),
        ("https://h/a/%E4%B8%AD%2Fb.PNG", Answer(), "b.PNG"),
        ("https://h/image.php?id=7", Answer(media_type="image/png"), "image.php.png"),
        ("https://h/", Answer(media_type="image/png"), "file.png"),
        ("https://h", Answer(media_type="application/octet-stream"), "file.png"),
        ("https://h/go", Answer(led_to="https://cdn/x/real.png"), "real.png"),
        ("https://h/clip.mp4", Answer(media.mp4(), media_type="binary/octet-stream"), "clip.mp4"),
    ],
)
def test_what_a_file_is_called(url: str, answer: Answer, label: str, fetch: Fetch):
    received = fetch(url, answer)
    assert received.label == label
    sent = {one.before for one in received.repairs}
    assert sent == ({label.removesuffix(".png")} if label == "image.php.png" else set())
    assert received.extension == label.rpartition(".")[2].lower()


@pytest.mark.parametrize(
    ("url", "answer"),
    [
        ("https://h/photo.jpg", Answer(b"<!doctype html>please log in", media_type="text/html")),
        ("https://h/photo", Answer(bytes(100), media_type="image/jpeg")),
    ],
)
def test_content_of_no_format_is_refused_by_what_the_url_or_the_server_says(url: str, answer: Answer, fetch: Fetch):
    with pytest.raises(FileContentMismatch):
        fetch(url, answer)


@pytest.mark.parametrize("url", ["https://h/photo.jpg", "https://h/photo.heic"])
def test_content_decides_what_it_is_called(url: str, fetch: Fetch):
    received = fetch(url, Answer(media_type="image/jpeg"))
    assert (received.label, received.extension) == ("photo.png", "png")
    assert received.repairs == (Repair("renamed", url.rpartition("/")[2], "photo.png"),)


def test_content_that_nobody_knows(fetch: Fetch):
    with pytest.raises(FileTypeNotAllowed):
        fetch("https://h/page", Answer(b"<!doctype html>", media_type="text/html"))


def test_a_file_over_the_limit(fetch: Fetch):
    for answer, limit in (
        (Answer(media.mp4() + bytes(5_000)), 5_000),
        (Answer(PNG + bytes(6_000)), 6_000),
        (Answer(b"", failure=EgressFailed("too_large", "Content-Length")), 6_000),
    ):
        with pytest.raises(FileTooLarge) as caught:
            fetch("https://h/x.png", answer)
        assert caught.value.detail == {"limit_bytes": limit}


@pytest.mark.parametrize(
    "failure", [EgressFailed("connect", "refused"), EgressFailed("status", "status 404", http_status=404)]
)
def test_an_address_that_does_not_answer(failure: EgressFailed, fetch: Fetch):
    with pytest.raises(SourceUnreachable):
        fetch("https://h/x.png", Answer(failure=failure))


def test_a_name_that_does_not_exist_reads_like_one_that_may_not_be_called(fetch: Fetch):
    with pytest.raises(DestinationNotAllowed) as refused:
        fetch("https://h/x.png", Answer(failure=NoSuchName()))
    assert str(refused.value) == str(DestinationForbidden("an address of the name is not public"))


@pytest.mark.parametrize("failure", [DestinationNotAllowed(), KeyboardInterrupt(), RuntimeError("a bug")])
def test_anything_else_passes_and_leaves_nothing(failure: Exception, fetch: Fetch):
    with pytest.raises(type(failure)):
        fetch("https://h/x.png", Answer(failure=failure))
