"""What nobody knows goes; what somebody knows, or may be about to, stays."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, insert, update

from fakes.rows import Rows
from reelqueue.domain.intake import NewAsset
from reelqueue.files.keys import asset_key, result_key
from reelqueue.files.orphans import GRACE, OrphanSweep
from reelqueue.files.storage import open_storage
from reelqueue.kit.acting import EVERYBODY
from reelqueue.kit.clock import SystemClock
from reelqueue.kit.sealing import Sealer
from reelqueue.store.assets import Assets
from reelqueue.store.blob_names import BlobNames
from reelqueue.store.engine import Database, make_engine
from reelqueue.store.tables import jobs, projects, recoveries
from reelqueue.store.tenants import Tenants

PHOTO = NewAsset(
    sha256="", bytes=1, kind="image", media_type="image/png", extension="png", label="a.png", width=1, height=1,
    duration_ms=None, blob_key="",
)  # fmt: skip


class Later(SystemClock):
    """A clock an hour and a bit ahead."""

    def now(self):
        return super().now() + GRACE + timedelta(minutes=1)


@pytest.fixture
def database(database_url):
    database = Database(make_engine(database_url, pool_size=2, whose=EVERYBODY))
    yield database
    database.dispose()


@pytest.fixture
def storage(tmp_path):
    return open_storage((tmp_path / "files").as_uri(), scratch=tmp_path / "scratch")


@pytest.fixture
def tenant(database):
    return Tenants(database, Sealer(os.urandom(32))).create("owner").id


def put(storage, content, key_of):
    spooled = storage.spool.receive(max_bytes=100)
    spooled.write(content)
    spooled.finish()
    key = key_of(spooled.sha256)
    storage.blobs.keep(spooled, key)
    return key, spooled.sha256


def test_what_nobody_names_goes_and_the_rest_stays(database, storage, tenant):
    named, digest = put(storage, b"named", lambda sha256: asset_key(tenant, sha256))
    Assets(database).keep(tenant, replace(PHOTO, sha256=digest, blob_key=named))
    orphan, _ = put(storage, b"orphan", lambda sha256: asset_key(tenant, sha256))
    rows = Rows(database)
    live, ended, lost = (rows.job(tenant) for _ in range(3))
    results = {
        job: put(storage, job.encode(), lambda _, job=job: result_key(tenant, job))[0] for job in (live, ended, lost)
    }
    second, _ = put(storage, b"second", lambda _: result_key(tenant, ended, number=2))
    over = {"status": "canceled", "dispatch": "done", "finished_at": func.now()}
    with database.statement() as connection:
        connection.execute(update(jobs).where(jobs.c.id.in_([ended, lost])).values(**over))
        connection.execute(update(jobs).where(jobs.c.id == ended).values(result={"blob_key": results[ended]}))
        each = [{"result": {"blob_key": results[ended]}}, {"result": {"blob_key": second}}]
        connection.execute(update(jobs).where(jobs.c.id == ended).values(results=each))
    sweep = OrphanSweep(spool=storage.spool, blobs=storage.blobs, rows=BlobNames(database), clock=Later())
    assert sweep.run() == 2
    kept = {blob.key for blob in storage.blobs.stored("t/")}
    assert kept == {named, results[live], results[ended], second}
    assert orphan not in kept


def test_what_arrived_for_an_ended_job_stays_until_it_expires(database, storage, tenant):
    rows = Rows(database)
    watched, kept, expired = (rows.job(tenant) for _ in range(3))
    keys = {
        job: put(storage, job.encode(), lambda _, job=job: result_key(tenant, job))[0]
        for job in (watched, kept, expired)
    }
    over = {"status": "canceled", "dispatch": "done", "finished_at": func.now()}
    with database.statement() as connection:
        connection.execute(update(jobs).values(**over))
        connection.execute(insert(projects).values(id="prj_1", tenant_id=tenant, state="new"))
        row = {"tenant_id": tenant, "project_id": "prj_1", "kind": "render"}
        connection.execute(insert(recoveries).values(job_id=watched, **row))
        for job, hours in ((kept, 1), (expired, 0)):
            files = [{"output": 0, "result": {"blob_key": keys[job]}}]
            end = {"dispatch": "done", "due_at": None, "recovered_at": func.now(), "files": files}
            expires = {"expires_at": func.now() + timedelta(hours=hours)}
            connection.execute(insert(recoveries).values(job_id=job, **row, **end, **expires))
    sweep = OrphanSweep(spool=storage.spool, blobs=storage.blobs, rows=BlobNames(database), clock=Later())
    assert sweep.run() == 1
    assert {blob.key for blob in storage.blobs.stored("t/")} == {keys[watched], keys[kept]}


def test_a_young_file_may_be_about_to_get_its_row(database, storage, tenant):
    young, _ = put(storage, b"young", lambda sha256: asset_key(tenant, sha256))
    sweep = OrphanSweep(spool=storage.spool, blobs=storage.blobs, rows=BlobNames(database), clock=SystemClock())
    assert sweep.run() == 0
    assert storage.blobs.exists(young)


def test_what_a_killed_upload_left_goes(database, storage):
    left = storage.spool.receive(max_bytes=100)
    left.write(b"half")
    sweep = OrphanSweep(spool=storage.spool, blobs=storage.blobs, rows=BlobNames(database), clock=Later())
    assert sweep.run() == 1
    left.discard()
