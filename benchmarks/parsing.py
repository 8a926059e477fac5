"""How many events a second one stream worker can read on one core."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from benchmarks.cells import Twin, twins
from benchmarks.figures import Aim, Figure, percentile
from benchmarks.patience import Patience
from benchmarks.place import Place
from benchmarks.report import Report, Table
from reelqueue.domain.upstream import Credential, TurnEnd
from reelqueue.nemo.frames import read_frame
from reelqueue.nemo.headers import redact
from reelqueue.nemo.sse import Comment, ServerEvent, SseDecoder
from reelqueue.nemo.turn import TurnAssembler

SHAPES: Final[Mapping[str, Mapping[str, Any]]] = {
    "ADK 1, whole events": {"adk": "1", "streaming": "never"},
    "ADK 1, in pieces": {"adk": "1", "streaming": "always"},
    "ADK 2, in pieces": {"adk": "2", "streaming": "always"},
    "the flat dialect": {"dialect": "flat", "streaming": "never"},
}
"""Settings of the twin by what its streams then look like (contract §5)."""
REPEATS: Final = 40
CREDENTIAL: Final = Credential("tok_1", "nmv_usr_" + "x" * 32)
CHUNK: Final = 65_536
"""As much as one read of a socket gives."""


def measure(place: Place, patience: Patience, *, quick: bool) -> Report:
    """Record a turn in each shape; then read it again and again, in turn with a plain JSON parser."""
    slices = 10 if quick else 150
    with twins(place, "parsing") as twin:
        recorded = {name: _recorded(twin, settings) for name, settings in SHAPES.items()}
    rows = []
    for name, stream in recorded.items():
        patience.check(name)
        events = stream.count(b"\n\n")
        pairs = [(_a_second(_read, stream), _a_second(_load, stream)) for _ in range(slices)]
        ours, plain = (max(column) * events for column in zip(*pairs, strict=True))
        ratio = percentile([one / other for one, other in pairs], 0.5)
        rows.append((name, float(events), len(stream) / events, ours, plain, ratio))
    return _report(rows, slices)


def _recorded(twin: Twin, settings: Mapping[str, Any]) -> bytes:
    twin.control("reset")
    twin.settings(instant=True, silent_rate=0.0, trailing_issue_rate=0.0, **settings)
    stream: bytes = twin.user().project().say("animate this photo")
    return stream


def _read(raw: bytes) -> None:
    """What a worker does with a stream, but for the socket and the database."""
    decoder, turn = SseDecoder(), TurnAssembler()
    for start in range(0, len(raw), CHUNK):
        _feed(turn, decoder.feed(raw[start : start + CHUNK]))
    _feed(turn, decoder.close())
    turn.report(TurnEnd.CLOSED)


def _feed(turn: TurnAssembler, events: Sequence[ServerEvent | Comment]) -> None:
    for event in events:
        safe = event
        if isinstance(event, ServerEvent):
            safe = ServerEvent(event.name, redact(event.data, CREDENTIAL), oversized=event.oversized)
        turn.feed(read_frame(safe))


def _load(raw: bytes) -> None:
    """The least that anybody has to do with it."""
    for line in raw.split(b"\n\n"):
        if line:
            json.loads(line[len(b"data: ") :])


def _a_second(action: Callable[[bytes], None], raw: bytes) -> float:
    """How often it can be done in a second of this process's CPU time, by a short slice of it."""
    began = time.process_time()
    for _ in range(REPEATS):
        action(raw)
    return REPEATS / (time.process_time() - began)


def _report(rows: list[tuple[str, float, float, float, float, float]], slices: int) -> Report:
    slowest = min(rows, key=lambda row: row[3])
    columns = ("shape", "events a turn", "bytes an event", "events/s", "events/s, JSON only", "ratio")
    return Report(
        title="reading a stream",
        measured=(
            f"turns recorded from the twin, read in {slices} slices of CPU time each: bytes to events, redacted, to "
            "frames and the turn's report; in turn with json.loads over the same payloads. The best slice of each, "
            "since what else the machine does only takes from a slice; of the ratios the median"
        ),
        figures=[
            Figure(
                name=f"events read on one core, {slowest[0]}",
                value=slowest[3],
                unit="a second",
                aim=Aim("at least", 20_000.0),
            ),
            Figure(name="the same, over a plain JSON parser's", value=slowest[5], unit="times"),
        ],
        tables=[Table(title="by shape", columns=columns, rows=rows)],
    )
