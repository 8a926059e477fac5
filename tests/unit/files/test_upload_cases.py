"""Every upload of the attack corpus gets the answer that is written beside it, and leaves nothing behind."""

from __future__ import annotations

import re
import tracemalloc
from pathlib import Path

import pytest

from fakes import uploads
from fakes.workshops import receiver as open_receiver
from reelqueue.errors import CallerError
from reelqueue.files.keys import asset_key
from reelqueue.files.limits import FileLimits
from reelqueue.files.multipart import MultipartReceiver
from reelqueue.files.received import ReceivedForm
from reelqueue.files.sniff.window import BASE_STEPS, BYTES_PER_STEP, Window
from reelqueue.files.spool import Spool

CASES = [case for case in uploads.cases() if case["id"] not in uploads.NEEDS_A_SERVER]
AT_ONCE = 131_072
"""What a body that is refused for its form may have been read of."""


def send(upload: uploads.Upload, spool: Spool) -> ReceivedForm:
    with open_receiver(upload.content_type, spool, limits=FileLimits()) as receiver:
        for chunk in upload.chunks():
            receiver.feed(chunk)
        return receiver.finish()


def answer(case, spool: Spool) -> tuple[CallerError | None, ReceivedForm | None]:
    try:
        return None, send(uploads.upload_of(case), spool)
    except CallerError as error:
        return error, None


def named(case) -> str:
    return case["id"]


@pytest.mark.parametrize("case", CASES, ids=named)
def test_case(case, tmp_path: Path):
    expect = case["expect"]
    allowed = expect["status"] if isinstance(expect["status"], list) else [expect["status"]]
    error, form = answer(case, Spool(tmp_path))
    if error is not None:
        assert error.status in allowed, error.message
        assert expect.get("code", error.code) == error.code
    if form is not None:
        with form:
            assert 202 in allowed
            (file,) = form.files
            assert expect.get("display_name", file.label) == file.label
            assert expect.get("stored_content_type", file.info.media_type) == file.info.media_type
            assert re.fullmatch(expect.get("stored_path", ".*"), asset_key("ten_1", file.sha256))
    assert list(tmp_path.rglob("*.part")) == []


@pytest.mark.parametrize("case", [case for case in CASES if "rss_growth_mb_max" in case["expect"]], ids=named)
def test_a_bomb_is_not_unpacked(case, tmp_path: Path):
    upload = uploads.upload_of(case)
    tracemalloc.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(uploads, "upload_of", lambda _: upload)
            _, form = answer(case, Spool(tmp_path))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    if form is not None:
        form.discard()
    assert peak < 1_000_000


@pytest.mark.parametrize("case", [case for case in CASES if "cpu_s_max" in case["expect"]], ids=named)
def test_a_time_waster_is_given_up_on(case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Counted, not timed: either little of the body was read, or few steps were taken in the file."""
    steps = 0
    real = Window.at

    def at(window: Window, offset: int, count: int) -> bytes:
        nonlocal steps
        steps += 1
        return real(window, offset, count)

    monkeypatch.setattr(Window, "at", at)
    upload = uploads.upload_of(case)
    fed = 0

    def feed_all(receiver: MultipartReceiver) -> None:
        nonlocal fed
        for chunk in upload.chunks():
            fed += len(chunk)
            receiver.feed(chunk)

    with (
        open_receiver(upload.content_type, Spool(tmp_path), limits=FileLimits()) as receiver,
        pytest.raises(CallerError),
    ):
        feed_all(receiver)
    assert fed <= AT_ONCE or steps <= BASE_STEPS + fed // BYTES_PER_STEP + 1


def test_the_whole_corpus_is_here():
    assert len(uploads.cases()) == 93
    assert len(CASES) == 93 - len(uploads.NEEDS_A_SERVER)
