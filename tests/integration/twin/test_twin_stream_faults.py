"""Streams with unusual bytes: what they are, byte by byte, and that the turn behind them is as it should be."""

import json
from itertools import pairwise

import httpx
import pytest

from fakes.twin import LOCAL, decoded, texts, until

EDIT = "add a title 'A' and add upbeat music"


def payloads(received):
    """Read a stream as the standard says, and no more: the data of each event that ends with a blank line."""
    text = received.decode().removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    found, lines = [], []
    for line in text.split("\n")[:-1]:
        name, _, value = line.partition(":")
        if name == "data" and line:
            lines.append(value.removeprefix(" "))
        elif not line:
            found += ["\n".join(lines)] if lines else []
            lines = []
    return found


def essence(received):
    """Return what a turn told, without what differs from turn to turn."""
    told = []
    for payload in payloads(received):
        event = json.loads(payload)
        parts = event.get("content", {}).get("parts", [])
        told.append([part.get("text") or next(iter(part.values())).get("name") for part in parts])
    return told


@pytest.fixture
def usual(twin, user):
    """What the edit tells when nothing is wrong."""
    twin.settings(heartbeat="none")
    return essence(user.project().say(EDIT))


@pytest.mark.parametrize(
    ("fault", "parameters"),
    [
        ("crlf", {}),
        ("crlf", {"ending": "cr"}),
        ("crlf", {"ending": "mixed"}),
        ("bom", {}),
        ("multi_line_data", {}),
        ("tiny_chunks", {"size": 1}),
        ("one_chunk", {}),
        ("one_chunk", {"events": 2}),
        ("huge_event", {"megabytes": 1}),
        ("wrong_content_type", {"media_type": "text/plain"}),
        ("slow_body", {}),
        ("slow_headers", {}),
        ("silence", {}),
        ("heartbeats_only", {}),
        ("long_turn", {}),
    ],
)
def test_the_same_is_told_in_other_bytes(twin, user, usual, fault, parameters):
    twin.fault("run_sse", fault, **parameters)
    project = user.project()
    assert essence(project.say(EDIT)) == usual
    assert project.turns()[-1]["outcome"] == "completed"


def raw(twin, user, fault, text=EDIT, **parameters):
    """Return the chunks of a stream as they were received."""
    twin.settings(heartbeat="none")
    twin.fault("run_sse", fault, **parameters)
    with user.project().open(text) as stream:
        return list(stream.iter_raw())


@pytest.mark.parametrize(("ending", "blank"), [("crlf", b"\r\n\r\n"), ("cr", b"\r\r")])
def test_line_endings(twin, user, ending, blank):
    received = b"".join(raw(twin, user, "crlf", ending=ending))
    assert received.endswith(blank)
    assert received.count(blank) == 3
    assert received.count(b"\n") == received.count(b"\r\n")


def test_a_byte_order_mark_comes_once(twin, user):
    received = b"".join(raw(twin, user, "bom"))
    assert received.startswith(b"\xef\xbb\xbfdata: ")
    assert received.count(b"\xef\xbb\xbf") == 1


@pytest.mark.parametrize(("newline", "end"), [(True, b"}\n"), (False, b"}")])
def test_no_final_blank_line(twin, user, usual, newline, end):
    received = b"".join(raw(twin, user, "no_final_blank_line", newline=newline))
    assert received.endswith(end)
    assert essence(received) == usual[:-1]
    assert essence(received + b"\n\n") == usual


def test_data_over_several_lines(twin, user):
    received = b"".join(raw(twin, user, "multi_line_data"))
    first = received.split(b"\n\n")[0].split(b"\n")
    assert len(first) > 10
    assert all(line.startswith(b"data: ") for line in first)


def test_tiny_chunks(twin, user):
    chunks = raw(twin, user, "tiny_chunks", text="你好")
    assert max(map(len, chunks)) <= 3
    assert any(len(chunk.decode(errors="ignore").encode()) < len(chunk) for chunk in chunks)


def test_one_chunk(twin, user):
    whole = raw(twin, user, "one_chunk")
    assert len(whole) == 1
    assert whole[0].count(b"\n\n") == 3


def test_every_event_twice(twin, user):
    events = decoded(b"".join(raw(twin, user, "duplicate_events")))
    assert events[::2] == events[1::2]
    assert len({event["id"] for event in events}) == len(events) // 2


def test_unheard_of_events_come_between_the_usual_ones(twin, user, usual):
    received = b"".join(raw(twin, user, "unknown_events"))
    found = payloads(received)
    assert {"[]", "42", "null", '"a string"', "not json at all", "{", "rain"} <= set(found)
    known = b"".join(part + b"\n\n" for part in received.split(b"\n\n") if b'"invocationId"' in part)
    assert essence(known) == usual


def test_a_huge_event(twin, user):
    received = b"".join(raw(twin, user, "huge_event", megabytes=2))
    event = next(event for event in decoded(received) if event["actions"]["stateDelta"])
    assert len(event["actions"]["stateDelta"]["sim_padding"]) == 2 << 20
    assert event["actions"]["stateDelta"]["draft"]
    received = b"".join(raw(twin, user, "huge_event", text="hello", megabytes=1))
    assert len(decoded(received)[-1]["actions"]["stateDelta"]["sim_padding"]) == 1 << 20


def test_pieces_without_a_whole(twin, user):
    events = decoded(b"".join(raw(twin, user, "partials_only")))
    said = [event for event in events if texts([event])]
    assert said
    assert "".join(texts([event for event in events if event.get("partial")])).startswith("Done.")
    whole = [event for event in said if not event.get("partial")]
    assert whole == []
    assert any("functionCall" in part for event in events for part in event["content"]["parts"])


def test_a_whole_without_pieces(twin, user):
    events = decoded(b"".join(raw(twin, user, "aggregates_only")))
    assert not any(event.get("partial") for event in events)
    assert [event["partial"] for event in events if texts([event])] == [False]


@pytest.mark.parametrize(
    ("place", "end"),
    [
        ("line", None),
        ("event", b"}\n"),
        ("character", b'data: {"sim_sign":"\xe6\xa0'),
    ],
)
@pytest.mark.parametrize("after", [0, 2])
def test_dropped_inside_an_event(twin, user, place, end, after):
    twin.settings(heartbeat_seconds=1.0)
    twin.fault("run_sse", f"drop_mid_{place}", after_events=after)
    project = user.project()
    received, error = project.cut(EDIT)
    assert error is httpx.RemoteProtocolError
    whole, _, rest = received.rpartition(b"\n\n")
    assert len(decoded(whole + b"\n\n")) == after
    assert rest
    assert received.endswith(end or rest)
    assert not received.endswith(b"\n\n")
    if place == "line":
        assert not received.endswith(b"\n")
    assert project.ended_turn()["outcome"] == "completed"


@pytest.mark.parametrize(
    ("fault", "outcome", "changed", "charge"),
    [
        ("empty_stream", "completed", False, "released"),
        ("empty_stream_done", "completed", True, "charged"),
        ("empty_stream_running", "completed", True, "charged"),
    ],
)
def test_an_empty_stream(twin, user, fault, outcome, changed, charge):
    twin.settings(speed=1)
    twin.fault("run_sse", fault)
    project = user.project()
    with project.open(EDIT) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.read() == b""
    running = project.turns()[-1]["outcome"] == "running"
    assert running is (fault == "empty_stream_running")
    twin.settings(speed=2000)
    turn = project.ended_turn()
    assert (turn["outcome"], turn["changed_state"]) == (outcome, changed)
    assert bool(project.state()["draft"]) is changed
    assert project.charges() == [("edit", 50, charge)]


def test_json_instead_of_a_stream(twin, user):
    project = user.project()
    twin.fault("run_sse", "json_reply")
    answer = user.post("/run_sse", json=project.body(EDIT))
    assert (answer.headers["content-type"], answer.json()) == ("application/json", {"code": 0, "data": None})
    assert project.turns() == []
    twin.fault("run_sse", "json_reply_done")
    events = user.post("/run_sse", json=project.body(EDIT)).json()["data"]["events"]
    assert texts(events)[-1].startswith("Done.")
    assert project.turns()[0]["outcome"] == "completed"


def test_a_refusal_is_no_stream_and_stays_whole(twin):
    user = twin.user(credits=0)
    project = user.project()
    for fault in ("crlf", "bom", "tiny_chunks", "drop_mid_line", "empty_stream", "unknown_events"):
        twin.fault("run_sse", fault)
        assert user.post("/run_sse", json=project.body(EDIT)).json()["code"] == 2001


def test_heartbeats_only_for_eleven_minutes(twin, user):
    twin.settings(speed=5000)
    twin.fault("run_sse", "heartbeats_only", seconds=660, after_events=1)
    project = user.project()
    received = project.say(EDIT)
    first, second = [event["timestamp"] for event in decoded(received)][:2]
    assert second - first >= 660
    between = received.split(b"\n\n")[1:-2]
    assert between.count(b'data: {"type":"heartbeat"}') >= 10


def test_a_stream_longer_than_fifteen_minutes(twin, user):
    twin.settings(speed=20_000)
    twin.fault("run_sse", "long_turn", seconds=960)
    project = user.project()
    stamps = [event["timestamp"] for event in project.events(EDIT)]
    turn = project.turns()[-1]
    assert turn["finished_at"] - turn["at"] >= 960
    assert max(later - earlier for earlier, later in pairwise(stamps)) < 600


def test_a_server_may_cut_streams_at_its_limit(twin, user):
    twin.settings(stream_limit_seconds=900.0, speed=20_000)
    twin.fault("run_sse", "long_turn", seconds=960)
    project = user.project()
    received, error = project.cut(EDIT)
    assert error is httpx.RemoteProtocolError
    assert len(decoded(received)) == 2
    assert project.ended_turn()["outcome"] == "completed"


def test_several_faults_strike_as_one(twin, user):
    twin.settings(speed=5000)
    project = user.project()
    drop = {"fault": "drop", "at_byte": 3000}
    twin.fault("run_sse", "tiny_chunks", also=[{"fault": "heartbeats_only", "seconds": 3000}, drop])
    received, error = project.cut("animate this photo")
    assert (len(received), error) == (3000, httpx.RemoteProtocolError)
    assert received.count(b'{"type":"heartbeat"}') > 20
    assert project.ended_turn()["outcome"] == "completed"
    assert twin.ledger(only="requests")["requests"][-1]["fault"] == "tiny_chunks+heartbeats_only+drop"


def test_pieces_whether_asked_for_or_not(twin, user):
    twin.settings(streaming="always", aggregate="old")
    events = user.project().events(EDIT)
    assert any(event.get("partial") for event in events)
    assert not any(event.get("partial") is False for event in events)
    twin.settings(streaming="never")
    assert not any("partial" in event for event in user.project().events(EDIT, streaming=True))


def test_connections_are_refused_for_a_while(twin, user):
    twin.settings(speed=1)
    project = user.project()
    with project.open("animate this photo") as stream:
        chunks = stream.iter_raw()
        assert next(chunks)
        with httpx.Client(base_url=twin.url, **LOCAL) as idle, httpx.Client(base_url=twin.url, **LOCAL) as other:
            assert idle.get("/healthz").status_code == 200
            twin.fault("credits", "refused", seconds=0.4)
            with pytest.raises(httpx.TransportError):
                other.get("/api/credits/balance/simple", headers=user.headers)
            seen = []

            def back():
                try:
                    return idle.get("/healthz").json()["turns"] == 1
                except httpx.TransportError as error:
                    seen.append(type(error))
                    return False

            until(back)
            assert httpx.ConnectError in seen
        twin.settings(speed=5000)
        for _ in chunks:
            pass
    assert project.ended_turn()["outcome"] == "completed"
