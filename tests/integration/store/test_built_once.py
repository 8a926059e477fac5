"""What is read and written for every request and every step is built once, and found again without being read.

SQLAlchemy walks over all parts of a statement that it has not seen before, to find what it compiled of one like it; for
the columns of a job that took longer than everything else.
"""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from sqlalchemy import event

from fakes.engine import snapshot
from reelqueue.domain.jobs import Status
from reelqueue.store.api_keys import ApiKeys
from reelqueue.store.assets import Assets
from reelqueue.store.claims import Claims
from reelqueue.store.events import Events
from reelqueue.store.jobs import Jobs
from reelqueue.store.projects import Projects
from reelqueue.store.renders import Renders
from reelqueue.store.turns import Turns
from reelqueue.store.uploads import Uploads

LONGEST = 4096
"""What psycopg remembers how to send. Anything longer it takes apart each time."""

CALLS = {
    "jobs.find": lambda at: Jobs(at.database).find(at.tenant, at.job),
    "events.after": lambda at: Events(at.database).after(at.tenant, at.job, 0),
    "api_keys.find": lambda at: ApiKeys(at.database, b"pepper").find("key_none"),
    "assets.find_many": lambda at: Assets(at.database).find_many(at.tenant, []),
    "claims.claim": lambda at: Claims(at.database).claim(at.job, at.worker),
    "claims.note_progress": lambda at: Claims(at.database).note_progress(at.claim, 10),
    "projects.find": lambda at: Projects(at.database).find(at.tenant, at.project.id),
    "renders.newest": lambda at: Renders(at.database).newest(at.job),
    "renders.polled": lambda at: Renders(at.database).polled(at.claim, at.render),
    "turns.find": lambda at: Turns(at.database).find(at.job, 0),
    "turns.prepare": lambda at: Turns(at.database).prepare(at.claim, 0, snapshot()),
    "uploads.begin": lambda at: Uploads(at.database).begin(at.claim, (0,)),
}


class Place:
    """A job that waits, and one that is held, has an input and is exported."""

    def __init__(self, board, tenant):
        self.database, self.tenant = board.database, tenant
        self.worker = board.worker()
        self.job = board.job(tenant)
        self.claim = board.held(tenant, self.worker, Status.UPLOADING)
        self.project = Projects(self.database).begin(self.claim, board.upstream_token(tenant))
        board.input(self.claim.job.id, tenant)
        self.render = Renders(self.database).prepare(self.claim, "render_1", output_index=0, attempt=1)


@contextmanager
def run(database):
    """The statements inside the block, each as it was given to SQLAlchemy and as it was sent."""
    given, sent = [], []

    def note_given(_connection, statement, *_):
        given.append(statement)

    def note_sent(_connection, _cursor, statement, *_):
        sent.append(statement)

    event.listen(database.engine, "before_execute", note_given)
    event.listen(database.engine, "before_cursor_execute", note_sent)
    try:
        yield given, sent
    finally:
        event.remove(database.engine, "before_execute", note_given)
        event.remove(database.engine, "before_cursor_execute", note_sent)


@pytest.mark.parametrize("name", CALLS)
def test_a_call_brings_the_statement_that_it_brought_before(board, tenant, name):
    place = Place(board, tenant)
    with run(board.database) as (given, sent):
        CALLS[name](place)
        CALLS[name](place)
    once = len(given) // 2
    assert [id(one) for one in given[:once]] == [id(one) for one in given[once:]] != []
    assert {len(one.encode()) <= LONGEST for one in sent} == {True}
