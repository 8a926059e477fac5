"""The client's pure half, fed with recorded bytes in any pieces."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from reelqueue.domain.upstream import TurnEnd, TurnProgress, TurnReport
from reelqueue.nemo.frames import read_frame
from reelqueue.nemo.sse import Comment, ServerEvent, SseDecoder
from reelqueue.nemo.turn import TurnAssembler


def decoded(pieces: Iterable[bytes]) -> list[ServerEvent | Comment]:
    """The events of a stream that was closed properly."""
    decoder = SseDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)] + decoder.close()


def assembled(events: Iterable[ServerEvent | Comment], end: TurnEnd = TurnEnd.CLOSED) -> TurnReport:
    """The turn's report."""
    return watched(events, end)[0]


def watched(
    events: Iterable[ServerEvent | Comment], end: TurnEnd = TurnEnd.CLOSED
) -> tuple[TurnReport, list[TurnProgress]]:
    """The turn's report, and the progress shown on the way."""
    assembler = TurnAssembler()
    shown = [progress for event in events for progress in assembler.feed(read_frame(event))]
    return assembler.report(end), shown


def cut_off(raw: bytes, size: int) -> TurnReport:
    """The report of a stream that broke after `size` bytes."""
    return assembled(SseDecoder().feed(raw[:size]), TurnEnd.INTERRUPTED)


def split(raw: bytes, places: Iterable[int]) -> list[bytes]:
    """The bytes, cut at these places; some pieces may be empty."""
    return [raw[start:end] for start, end in pairwise([0, *sorted(places), len(raw)])]
