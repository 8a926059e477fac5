"""The bytes of a frame, and what can be read back from them."""

import json

import pytest

from nemotwin.framing import error_frame, frame, is_event, payload_of

TEXT = 'ValueError: the tool said "no"\nand more'


def test_an_error_as_json():
    assert error_frame(TEXT) == f"data: {json.dumps({'error': TEXT})}\n\n".encode()


def test_an_error_that_was_put_together_as_text():
    line, rest = error_frame(TEXT, "unescaped").split(b"\n", 1)
    assert line == b'data: {"error": "ValueError: the tool said "no"'
    assert rest == b'and more"}\n\n'
    with pytest.raises(ValueError):
        json.loads(line.removeprefix(b"data: "))


def test_an_error_with_details():
    details = json.loads(error_frame(TEXT, "details", at=5.0).removeprefix(b"data: "))
    assert details == {
        "error": TEXT,
        "error_details": {
            "error_type": "ValueError",
            "error_message": 'the tool said "no"\nand more',
            "timestamp": 5.0,
        },
    }


@pytest.mark.parametrize(
    ("sent", "event"),
    [
        (frame({"author": "x"}), True),
        (frame({"type": "text"}), True),
        (b'data: {"type":"heartbeat"}\n\n', False),
        (b"data: heartbeat\n\n", False),
        (b"data:\n\n", False),
        (b": ping\n\n", False),
        (b"", False),
    ],
)
def test_heartbeats_are_no_events(sent, event):
    assert is_event(sent) is event


def test_payloads():
    assert payload_of(frame({"a": "标"})) == {"a": "标"}
    assert payload_of(error_frame(TEXT, "unescaped")) is None
    assert payload_of(b"data: heartbeat\n\n") is None
