from __future__ import annotations

import pytest
from sqlalchemy import update

from fakes.upstream import balance, state
from reelqueue.domain.claims import ClaimLost
from reelqueue.domain.jobs import Status
from reelqueue.domain.projects import NewProject
from reelqueue.domain.turns import Snapshot
from reelqueue.domain.versions import version_of
from reelqueue.errors import NotFound
from reelqueue.kit.ids import new_id
from reelqueue.store.project_records import ProjectRecords
from reelqueue.store.tables import jobs
from reelqueue.store.versions import Versions

WORKER = "wrk_one"


@pytest.fixture
def database(module_database):
    return module_database


@pytest.fixture
def tenant(board):
    return board.tenant(new_id("tenant"))


@pytest.fixture
def versions(database):
    return Versions(database)


@pytest.fixture
def project(database, tenant):
    return ProjectRecords(database).create(tenant, NewProject()).id


@pytest.fixture
def claim(board, tenant, project):
    return board.held(tenant, WORKER, Status.INSTRUCTING, project_id=project)


def seen(project, *names, position=0):
    found = version_of(project, Snapshot.of(state(*names) if names else EMPTY, balance()), position=position)
    assert found is not None
    return found


EMPTY = state("x").__class__(draft={"t": []}, uploads=(), generated=(), canvas=None)


def numbers(versions, tenant, project):
    return [one.number for one in versions.list(tenant, project, before=None, limit=10)]


def test_only_what_is_new_is_a_version(versions, tenant, project, claim):
    for names in (("a",), ("a",), ("a", "b"), ("a",)):
        versions.note(claim, seen(project, *names))
    assert numbers(versions, tenant, project) == [3, 2, 1]
    assert versions.find(tenant, project, None).number == 3
    assert versions.find(tenant, project, 2).timeline.tracks[1].name == "b"


def test_an_empty_draft_is_no_first_version_but_a_later_one(versions, tenant, project, claim):
    versions.note(claim, seen(project))
    assert numbers(versions, tenant, project) == []
    versions.note(claim, seen(project, "a"))
    versions.note(claim, seen(project))
    assert [one.exportable for one in versions.list(tenant, project, before=None, limit=10)] == [False, True]


def test_a_lost_claim_keeps_nothing(versions, board, tenant, project, claim):
    board.steal(claim)
    with pytest.raises(ClaimLost):
        versions.note(claim, seen(project, "a"))
    assert numbers(versions, tenant, project) == []


def test_an_older_claim_of_the_same_worker_keeps_nothing(versions, database, tenant, project, claim):
    with database.statement() as connection:
        connection.execute(update(jobs).where(jobs.c.id == claim.job.id).values(lease_epoch=jobs.c.lease_epoch + 1))
    with pytest.raises(ClaimLost):
        versions.note(claim, seen(project, "a"))
    assert numbers(versions, tenant, project) == []


def test_who_left_it_behind(versions, tenant, project, claim):
    versions.note(claim, seen(project, "a", position=None))
    versions.note(claim, seen(project, "a", "b", position=0))
    assert [one.job_id for one in versions.list(tenant, project, before=None, limit=10)] == [claim.job.id, None]


def test_another_tenants_version_is_not_there(versions, board, project, claim):
    versions.note(claim, seen(project, "a"))
    other = board.tenant(new_id("tenant"))
    for read in (versions.find, versions.draft):
        with pytest.raises(NotFound):
            read(other, project, 1)
    assert versions.list(other, project, before=None, limit=10) == []


def test_workers_that_both_believe_to_hold_the_job_number_without_gaps(versions, tenant, project, claim, at_once):
    """They hold the same claim here: each waits for the other's transaction."""

    def note(number):
        try:
            versions.note(claim, seen(project, *map(str, range(number + 1))))
        except Exception as error:  # noqa: BLE001 - looked at below
            return error
        return None

    assert at_once(6, note) == [None] * 6
    found = numbers(versions, tenant, project)
    assert found == list(range(len(found), 0, -1))
