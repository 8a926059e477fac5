"""`asset.expiring`: told once, while there is time to fetch what is deleted."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select, update

from fakes.engine import RESULT
from fakes.event_schemas import assert_valid
from fakes.job_rows import emptied
from reelqueue.domain.jobs import Status
from reelqueue.kit.ids import new_id
from reelqueue.store.expiring import Expiring
from reelqueue.store.tables import feed_events, projects, recoveries

HOUR_S = 3600.0
EXPIRING = [(1, "job.queued"), (2, "asset.expiring")]


@pytest.fixture
def database(module_database):
    return emptied(module_database)


@pytest.fixture
def expiring(database):
    return Expiring(database, notice_s=24 * HOUR_S)


@pytest.fixture
def kept(board, database, tenant):
    """A canceled job with a file that came `age_h` hours ago and is kept for `left_h` more."""

    def make(*, age_h, left_h):
        job_id, project_id = board.job(tenant, Status.CANCELED), new_id("project")
        with database.transaction() as connection:
            connection.execute(insert(projects).values(id=project_id, tenant_id=tenant, state="new"))
            row = {
                "job_id": job_id,
                "tenant_id": tenant,
                "project_id": project_id,
                "kind": "render",
                "dispatch": "done",
                "due_at": None,
                "files": [{"output": 0, "result": asdict(RESULT)}],
                "recovered_at": func.now() - timedelta(hours=age_h),
                "expires_at": func.now() + timedelta(hours=left_h),
            }
            connection.execute(insert(recoveries).values(**row))
        return job_id

    return make


@pytest.mark.parametrize(
    ("age_h", "left_h", "told"),
    [
        (200, 23, True),
        (200, 25, False),
        (5, 4, True),
        (4, 5, False),
        (200, -1, False),
    ],
)
def test_it_is_told_a_day_before_or_when_half_the_time_is_over(board, expiring, kept, age_h, left_h, told):
    job_id = kept(age_h=age_h, left_h=left_h)
    assert expiring.tell() == int(told)
    assert board.events(job_id) == EXPIRING[: 1 + told]


def test_it_says_which_files_and_until_when(database, expiring, kept):
    job_id = kept(age_h=5, left_h=4)
    expiring.tell()
    with database.statement() as connection:
        [payload] = connection.execute(select(feed_events.c.payload).where(feed_events.c.job_id == job_id)).scalars()
    data = assert_valid(payload)["data"]
    assert data["outputs"] == data["job"]["recovered"]["outputs"]
    assert data["outputs"][0]["result"]["sha256"] == RESULT.sha256
    assert data["expires_at"] == data["job"]["recovered"]["expires_at"]
    assert "blob_key" not in json.dumps(data)


def test_it_is_told_once_by_however_many_look(board, database, kept, at_once):
    ids = [kept(age_h=5, left_h=4) for _ in range(8)]
    looks = at_once(4, lambda _: Expiring(database, notice_s=24 * HOUR_S).tell())
    assert sum(looks) == len(ids)
    assert Expiring(database, notice_s=24 * HOUR_S).tell() == 0
    assert [board.events(job_id) for job_id in ids] == [EXPIRING] * len(ids)


def test_what_is_being_written_is_left_for_the_next_look(database, expiring, kept):
    job_id = kept(age_h=5, left_h=4)
    with database.transaction() as connection:
        connection.execute(update(recoveries).where(recoveries.c.job_id == job_id).values(looks=9))
        assert expiring.tell() == 0
    assert expiring.tell() == 1
