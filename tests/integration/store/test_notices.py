from __future__ import annotations

import queue
import threading

import pytest
from sqlalchemy import func, select, text

from fakes.job_rows import as_owner
from reelqueue.store.notices import RECONNECTED, Notice, Notices

BACKEND = text(
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'reelqueue-listen'"
)


@pytest.fixture
def listening(database_url):
    """`listening(channels)`: a queue of what is heard, and the listener; each is closed at the end."""
    started = []

    def start(*channels):
        heard, listener = queue.Queue(), Notices(database_url, channels)

        def run():
            for notice in listener.listen():
                if notice is not None:
                    heard.put(notice)

        thread = threading.Thread(target=run, daemon=True)
        started.append((listener, thread))
        thread.start()
        assert heard.get(timeout=20) == Notice(RECONNECTED, "")
        return heard, listener

    yield start
    for listener, thread in started:
        listener.close()
        thread.join(timeout=20)
        assert not thread.is_alive()


def say(database, *said):
    with database.transaction() as connection:
        for channel, payload in said:
            connection.execute(select(func.pg_notify(channel, payload)))


def test_what_is_said_on_a_channel_is_heard_in_order_and_nothing_else_is(listening, database):
    heard, _ = listening("rq_job", "rq_work")
    say(database, ("rq_other", "x"), ("rq_job", "1"), ("rq_work", ""), ("rq_job", "2"))
    found = [heard.get(timeout=20) for _ in range(3)]
    assert found == [Notice("rq_job", "1"), Notice("rq_work", ""), Notice("rq_job", "2")]
    assert heard.empty()


def test_a_crowd_is_heard_whole(listening, database):
    heard, _ = listening("rq_job")
    for start in range(0, 2000, 500):
        say(database, *(("rq_job", str(number)) for number in range(start, start + 500)))
    assert [heard.get(timeout=20).payload for _ in range(2000)] == [str(number) for number in range(2000)]


def test_nothing_is_heard_of_what_was_rolled_back(listening, database):
    heard, _ = listening("rq_job")
    with database.engine.connect() as connection:
        connection.execute(select(func.pg_notify("rq_job", "never")))
        connection.rollback()
    say(database, ("rq_job", "committed"))
    assert heard.get(timeout=20).payload == "committed"


def test_a_connection_that_is_cut_comes_back_and_says_that_something_may_have_been_missed(listening, database):
    heard, _ = listening("rq_job")
    for round_number in range(2):
        with as_owner(database) as connection:
            [pid] = connection.execute(BACKEND).scalars()
            connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        assert heard.get(timeout=20) == Notice(RECONNECTED, "")
        say(database, ("rq_job", str(round_number)))
        assert heard.get(timeout=20) == Notice("rq_job", str(round_number))


def test_the_caller_can_look_at_its_clock_while_nothing_is_said(database_url):
    listener = Notices(database_url, ("rq_job",))
    heard = listener.listen()
    assert next(heard) == Notice(RECONNECTED, "")
    assert next(heard) is None
    listener.close()
    assert list(heard) in ([], [None])


def test_a_database_that_is_away_is_waited_for(database_url):
    listener = Notices(database_url.rsplit("/", 1)[0] + "/no_such_database", ("x",))
    heard = listener.listen()
    assert next(heard) is None
    listener.close()
    assert list(heard) == []


def test_a_cut_line_is_noticed_by_keepalives(database_url):
    """A peer that vanished without a word must not leave a dispatcher deaf for ever."""
    with Notices(database_url, ())._connect() as link:
        parameters = link.info.get_parameters()
    assert 0 < int(parameters["keepalives_idle"]) <= 60
    assert int(parameters["keepalives_count"]) * int(parameters["keepalives_interval"]) <= 60
