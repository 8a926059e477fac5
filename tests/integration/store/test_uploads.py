from __future__ import annotations

import pytest
from sqlalchemy import select

from reelqueue.domain.claims import ClaimLost
from reelqueue.domain.jobs import Status
from reelqueue.kit.ids import new_id
from reelqueue.store.tables import job_inputs
from reelqueue.store.uploads import Uploads

WORKER = "wrk_one"


@pytest.fixture
def database(module_database):
    return module_database


@pytest.fixture
def tenant(board):
    return board.tenant(new_id("tenant"))


@pytest.fixture
def claim(board, tenant):
    claim = board.held(tenant, WORKER, Status.UPLOADING)
    for position in range(3):
        board.input(claim.job.id, tenant, position)
    return claim


@pytest.fixture
def states(database, claim):
    def read():
        mine = select(job_inputs.c.state).where(job_inputs.c.job_id == claim.job.id).order_by(job_inputs.c.position)
        with database.statement() as connection:
            return list(connection.execute(mine).scalars())

    return read


def test_an_input_is_being_sent_and_then_it_is_there(database, claim, states):
    uploads = Uploads(database)
    uploads.begin(claim, (0, 2))
    assert states() == ["sending", "pending", "sending"]
    uploads.done(claim, (2,))
    assert states() == ["sending", "pending", "sent"]


def test_an_input_the_job_does_not_have_is_a_claim_that_is_gone(database, claim, states):
    with pytest.raises(ClaimLost):
        Uploads(database).begin(claim, (7,))
    assert states() == ["pending"] * 3


def test_a_claim_that_is_gone_marks_nothing(database, claim, states, board):
    board.steal(claim)
    for mark in (Uploads(database).begin, Uploads(database).done):
        with pytest.raises(ClaimLost):
            mark(claim, (0,))
    assert states() == ["pending"] * 3
