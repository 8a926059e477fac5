from __future__ import annotations

import asyncio

import pytest
from benchmarks.announcer import Told
from benchmarks.feed_reader import check_whole, heard
from benchmarks.first_try import earliest, lags_ms
from benchmarks.hooks import Hook, hook_from
from benchmarks.http_line import INSTANT, Answer, HttpConnection, header
from benchmarks.patience import BenchmarkFailed
from benchmarks.receiving import Receivers
from benchmarks.views import Expected, View, compare, gaps

HEAD = b"POST /hook/a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nWebhook-Id: evt_1"


class Wire:
    """An `asyncio.WriteTransport`, as far as a connection needs one."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.spoke = asyncio.Event()

    def write(self, data: bytes) -> None:
        self.written.append(data)
        self.spoke.set()


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_requests_are_taken_whole_however_they_are_cut(cut: int) -> None:
    taken: list[tuple[bytes, bytes]] = []

    def take(head: bytes, body: bytes) -> Answer:
        taken.append((head, body))
        return INSTANT

    connection, wire = HttpConnection(take), Wire()
    connection.connection_made(wire)  # type: ignore[arg-type]
    data = (HEAD + b"\r\n\r\nbody") * 2
    for start in range(0, len(data), cut):
        connection.data_received(data[start : start + cut])
    assert taken == [(HEAD, b"body")] * 2
    assert wire.written == [INSTANT.wire] * 2


def test_a_slow_answer_is_written_later() -> None:
    async def written() -> tuple[int, int]:
        connection, wire = HttpConnection(lambda *_: Answer(after_s=0.01)), Wire()
        connection.connection_made(wire)  # type: ignore[arg-type]
        connection.data_received(HEAD + b"\r\n\r\nbody")
        at_once = len(wire.written)
        await wire.spoke.wait()
        return at_once, len(wire.written)

    assert asyncio.run(written()) == (0, 1)


@pytest.mark.parametrize(("name", "value"), [(b"webhook-id", b"evt_1"), (b"host", b"x"), (b"ost", b""), (b"id", b"")])
def test_a_header_is_found_by_its_whole_name(name: bytes, value: bytes) -> None:
    assert header(HEAD, name) == value


def test_receivers_tell_what_they_had() -> None:
    receivers = Receivers(slow_s=14.0)
    assert receivers.take(HEAD, b'{"data":{"percent":5,"delivery_seq":7}}') == INSTANT
    assert receivers.take(HEAD.replace(b"/hook/a", b"/slow/b"), b"{}").after_s == 14.0
    answers = [receivers.take(b"GET %b HTTP/1.1" % path, b"").wire for path in (b"/count", b"/seen?0", b"/body")]
    count, seen, body = [wire.partition(b"\r\n\r\n")[2].decode() for wire in answers]
    assert (count, body) == ("2", "{}")
    first, second = [hook_from(line) for line in seen.splitlines()]
    assert (first.path, first.id, first.delivery_seq) == ("/hook/a", "evt_1", 7)
    assert (second.path, second.id, second.delivery_seq) == ("/slow/b", "evt_1", None)
    assert first.at <= second.at
    assert receivers.take(b"GET /seen?1 HTTP/1.1", b"").wire.endswith(seen.splitlines()[1].encode())


def test_a_first_try_is_counted_from_its_commit() -> None:
    hooks = [Hook(3.0, "/hook/a", "evt_1", None), Hook(9.0, "/hook/a", "evt_1", None)]
    assert lags_ms({"evt_1": Told("job_1", 2, 2.5)}, earliest(hooks)) == [500.0]
    with pytest.raises(BenchmarkFailed, match="1 events"):
        lags_ms({"evt_2": Told("job_1", 3, 2.5)}, earliest(hooks))


EXPECTED = {f"evt_{seq}": Expected("/hook/a", "job_1", seq) for seq in (2, 3, 4)}


def hooks_of(*came: tuple[str, int | None], path: str = "/hook/a") -> list[Hook]:
    return [Hook(float(number), path, f"evt_{name}", place) for number, (name, place) in enumerate(came)]


@pytest.mark.parametrize(
    ("hooks", "view"),
    [
        (hooks_of(("2", 1), ("3", 2), ("4", 3)), {}),
        (hooks_of(("2", None), ("3", None), ("4", None)), {}),
        (hooks_of(("2", 1), ("2", 1), ("3", 2), ("2", 1), ("4", 3)), {"repeats": 2}),
        (hooks_of(("2", 1), ("4", 3)), {"missing": 1, "gaps": 1}),
        (hooks_of(("2", 1), ("4", 3), ("3", 2)), {"inversions": 1}),
        (hooks_of(("2", 1), ("3", 2), ("4", 3), ("9", 4)), {"strangers": 1}),
        (hooks_of(("2", 1), ("3", 1), ("4", 2)), {"gaps": 1}),
        (hooks_of(("2", 1), path="/hook/b"), {"missing": 3, "strangers": 1}),
        ([], {"missing": 3}),
    ],
)
def test_what_came_is_held_against_what_had_to(hooks: list[Hook], view: dict[str, int]) -> None:
    nothing = {"missing": 0, "strangers": 0, "repeats": 0, "inversions": 0, "gaps": 0}
    assert compare(EXPECTED, hooks) == View(**{**nothing, **view})


@pytest.mark.parametrize(("numbers", "count"), [([], 0), ([1, 2, 3], 0), ([3, 1], 1), ([1, 1, 2], 1), ([2, 2], 2)])
def test_gaps_are_numbers_skipped_and_given_twice(numbers: list[int], count: int) -> None:
    assert gaps(numbers) == count


def test_events_of_a_stream_have_the_number_before_them() -> None:
    lines = ["retry: 900", "", "id: 3", "event: job.queued", 'data: {"id":"evt_3"}', "", ": ping", "id: 7", "", "id:9"]
    found = list(heard(iter([*lines, 'data:{"id":"evt_9"}'])))
    assert [(one.seq, one.event_id) for one in found] == [(3, "evt_3"), (9, "evt_9")]


@pytest.mark.parametrize("numbers", [[], [1, 2], [1, 3, 2], [1, 2, 2, 3], [2, 3, 4]])
def test_a_feed_with_gaps_is_not_measured(numbers: list[int]) -> None:
    check_whole([1, 2, 3], 3)
    with pytest.raises(BenchmarkFailed):
        check_whole(numbers, 3)
