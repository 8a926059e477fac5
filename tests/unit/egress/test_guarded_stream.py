"""What a request's socket is asked to do."""

from __future__ import annotations

import fcntl
import resource
import socket

import pytest

from reelqueue.egress.progress import Progress
from reelqueue.egress.stream import GuardedStream
from reelqueue.kit.clock import SystemClock

BEYOND_SELECT = 1_500


class Wire:
    """A socket that takes whatever it is given, or at most so much at once."""

    def __init__(self, most=1_000_000):
        self.most, self.parts = most, []

    def settimeout(self, _):
        return None

    def send(self, data):
        self.parts.append(bytes(data[: self.most]))
        return len(self.parts[-1])


def progress(**given):
    clock = SystemClock()
    return Progress(clock, clock.monotonic() + 60, **given)


def test_a_head_goes_out_together_with_its_body_request_by_request():
    wire, begun = Wire(), [progress(has_body=True) for _ in range(2)]
    stream = GuardedStream(wire, begun[0])
    for one in begun:
        stream.begin(one)
        stream.write(b"POST / HTTP/1.1\r\n\r\n")
        assert (one.stage, one.sent) == ("send", 0)
        stream.write(b"{}")
        stream.write(b"")
        assert one.sent == 21
    assert wire.parts == [b"POST / HTTP/1.1\r\n\r\n{}"] * 2


def test_a_head_without_a_body_goes_out_at_once():
    wire = Wire()
    GuardedStream(wire, progress()).write(b"GET / HTTP/1.1\r\n\r\n")
    assert wire.parts == [b"GET / HTTP/1.1\r\n\r\n"]


def test_a_head_goes_out_whole_also_before_a_body_without_a_byte():
    wire = Wire(most=7)
    stream = GuardedStream(wire, progress(has_body=True))
    stream.write(b"POST / HTTP/1.1\r\n\r\n")
    stream.write(b"")
    assert b"".join(wire.parts) == b"POST / HTTP/1.1\r\n\r\n"


def test_of_a_request_that_ended_early_nothing_is_sent_with_the_next_one():
    wire = Wire()
    stream = GuardedStream(wire, progress(has_body=True))
    stream.write(b"POST /old")
    stream.begin(progress())
    stream.write(b"GET /new")
    assert wire.parts == [b"GET /new"]


@pytest.fixture
def many_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, BEYOND_SELECT + 100), max(hard, BEYOND_SELECT + 100)))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_descriptors")
def test_whether_the_other_side_closed_is_seen_in_a_process_with_many_connections():
    ours, theirs = socket.socketpair()
    with ours, theirs, socket.socket(fileno=fcntl.fcntl(ours, fcntl.F_DUPFD, BEYOND_SELECT)) as high:
        stream = GuardedStream(high, progress())
        assert stream.get_extra_info("is_readable") is False
        theirs.close()
        assert stream.get_extra_info("is_readable") is True
