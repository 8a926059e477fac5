"""Which message of a lane may be sent next."""

from __future__ import annotations

import pytest

from fakes.outgoing import due
from reelqueue.webhooks.line import SPARE, Line

PLACES = 8


@pytest.fixture
def line():
    return Line(places=PLACES, shared=False)


def begun(line):
    """All that may begin now, by id."""
    return [message.id for message in iter(line.begin, None)]


def test_what_waits_begins_in_its_order(line):
    line.join([due(3), due(1), due(2)])
    assert begun(line) == ["msg_3", "msg_1", "msg_2"]
    assert line.under_way == 3


def test_of_one_job_one_is_under_way_at_a_time_and_the_others_keep_their_order(line):
    first, second, third, other = (due(1, job_id="j"), due(2, job_id="j"), due(3, job_id="j"), due(4))
    line.join([first, second, other, third])
    assert begun(line) == ["msg_1", "msg_4"]
    line.end(other)
    assert begun(line) == []
    line.end(first)
    assert begun(line) == ["msg_2"]
    line.end(second)
    assert begun(line) == ["msg_3"]


def test_events_of_no_job_wait_for_nobody(line):
    line.join([due(1, job_id=None), due(2, job_id=None)])
    assert begun(line) == ["msg_1", "msg_2"]


def test_what_is_found_due_again_joins_once_until_it_was_written_down(line):
    message, waits = due(1), due(2, job_id="job_1")
    line.join([message, waits])
    line.begin()
    line.join([message, waits])
    line.end(message)
    line.join([message])
    assert begun(line) == ["msg_2"]
    line.end(waits)
    line.forget(["msg_1"])
    line.join([message, waits])
    assert begun(line) == ["msg_1"]


def test_what_was_sent_away_may_come_again(line):
    line.join([due(1), due(2)])
    line.begin()
    line.disperse()
    assert begun(line) == []
    line.join([due(1), due(2)])
    assert begun(line) == ["msg_2"]


def test_one_url_of_jobs_leaves_places_for_the_others():
    line = Line(places=PLACES, shared=True)
    line.join(due(n, url="https://h.example/one") for n in range(PLACES))
    assert len(begun(line)) == PLACES - SPARE
    line.join([due(100, url="https://h.example/two"), due(101, url="https://h.example/two")])
    line.join([due(102, url="https://h.example/three")])
    assert begun(line) == ["msg_100", "msg_102"]


def test_an_endpoint_has_all_places(line):
    line.join(due(n) for n in range(PLACES))
    assert len(begun(line)) == PLACES


@pytest.mark.parametrize("places", [1, 2])
def test_few_places_are_enough_for_each_url_in_its_turn(places):
    line = Line(places=places, shared=True)
    messages = [due(n, url=f"https://h.example/{n % 2}") for n in range(4)]
    line.join(messages)
    seen = []
    while (message := line.begin()) is not None:
        seen.append(message)
        line.end(message)
    assert seen == messages
