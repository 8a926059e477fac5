from __future__ import annotations

import dataclasses
import threading

import pytest
from sqlalchemy import func, insert, text, update

from fakes.job_rows import as_owner
from fakes.refusals import refusal
from reelqueue.domain.intake import NewAsset
from reelqueue.domain.repairs import Measure, Repair
from reelqueue.errors import NotFound, StateConflict
from reelqueue.kit.ids import new_id
from reelqueue.store.assets import Assets
from reelqueue.store.jobs import Jobs
from reelqueue.store.tables import job_inputs, jobs

PHOTO = NewAsset(
    sha256="ab" * 32,
    bytes=5_000_000_000,
    kind="image",
    media_type="image/jpeg",
    extension="jpg",
    label="Café.jpg",
    width=640,
    height=480,
    duration_ms=None,
    blob_key="t/one/a/ab/" + "ab" * 32,
)


@pytest.fixture
def assets(database):
    return Assets(database)


def photo(number: int) -> NewAsset:
    return dataclasses.replace(PHOTO, sha256=f"{number:064x}", blob_key=f"blob-{number}")


def test_an_asset_is_kept_as_it_came(assets, tenant):
    kept = assets.keep(tenant, PHOTO)
    assert {name: getattr(kept, name) for name in dataclasses.asdict(PHOTO)} == dataclasses.asdict(PHOTO)
    assert kept.tenant_id == tenant
    assert assets.find(tenant, kept.id) == kept


def test_what_was_done_to_it_is_kept(assets, tenant):
    done = (
        Repair("converted", "heic", "jpg"),
        Repair("scaled", Measure(9, 4, 2), Measure(5, 2, 1)),
        Repair("renamed", "é.heic", "é.jpg"),
    )
    new = dataclasses.replace(PHOTO, repairs=done, source_sha256="b" * 64)
    kept = assets.keep(tenant, new)
    assert (kept.repairs, kept.source_sha256) == (done, "b" * 64)
    assert assets.find(tenant, kept.id) == kept
    assert hash(new) == hash(dataclasses.replace(new))


def test_the_same_content_again_is_the_same_asset_unchanged(assets, tenant):
    first = assets.keep(tenant, PHOTO)
    assert assets.keep(tenant, dataclasses.replace(PHOTO, label="other.jpg", blob_key="elsewhere")) == first


def test_the_same_content_from_many_at_once_is_one_asset(assets, tenant, at_once):
    kept = at_once(8, lambda _: assets.keep(tenant, PHOTO))
    assert len({asset.id for asset in kept}) == 1


def test_the_same_content_of_two_tenants_is_two_assets(assets, tenant, other_tenant):
    mine, theirs = assets.keep(tenant, PHOTO), assets.keep(other_tenant, PHOTO)
    assert mine.id != theirs.id
    assert [asset.id for asset in assets.list(tenant, before=None, limit=10)] == [mine.id]


def test_no_tenant_keeps_nothing(assets):
    with pytest.raises(NotFound):
        assets.keep(new_id("tenant"), PHOTO)


@pytest.mark.parametrize(
    "use",
    [
        lambda assets, tenant, asset_id: assets.find(tenant, asset_id),
        lambda assets, tenant, asset_id: assets.find_many(tenant, [asset_id]),
        lambda assets, tenant, asset_id: assets.delete(tenant, asset_id),
    ],
)
def test_anothers_asset_cannot_be_told_from_one_that_never_was(assets, tenant, other_tenant, rows, use):
    theirs = assets.keep(other_tenant, PHOTO)
    used = assets.keep(other_tenant, photo(1))
    rows.job(other_tenant, asset_ids=(used.id,))
    never = refusal(lambda: use(assets, tenant, new_id("asset")))
    assert never["class"] is NotFound
    assert refusal(lambda: use(assets, tenant, theirs.id)) == never
    assert refusal(lambda: use(assets, tenant, used.id)) == never
    assert assets.find(other_tenant, theirs.id) == theirs


def test_many_come_in_the_order_asked_for(assets, tenant):
    one, two, three = (assets.keep(tenant, photo(n)) for n in range(3))
    assert assets.find_many(tenant, [three.id, one.id, two.id, one.id]) == [three, one, two, one]
    assert assets.find_many(tenant, []) == []


def test_one_missing_of_many_is_told_by_its_place(assets, tenant):
    one = assets.keep(tenant, photo(1))
    with pytest.raises(NotFound) as caught:
        assets.find_many(tenant, [one.id, one.id, "../etc/passwd", one.id])
    assert caught.value.pointer == "/2"
    assert "passwd" not in str(caught.value)


def test_a_deleted_asset_is_gone_and_names_its_blob(assets, tenant):
    kept = assets.keep(tenant, PHOTO)
    assert assets.delete(tenant, kept.id) == PHOTO.blob_key
    assert refusal(lambda: assets.find(tenant, kept.id)) == refusal(lambda: assets.delete(tenant, kept.id))
    assert assets.keep(tenant, PHOTO).id != kept.id


def test_a_blob_stays_while_another_asset_has_the_same_bytes(assets, tenant):
    jpg, jpeg = assets.keep(tenant, PHOTO), assets.keep(tenant, dataclasses.replace(PHOTO, extension="jpeg"))
    assert jpg.id != jpeg.id
    assert assets.delete(tenant, jpg.id) is None
    assert assets.delete(tenant, jpeg.id) == PHOTO.blob_key


def test_an_asset_that_a_job_names_stays(assets, tenant, rows):
    kept = assets.keep(tenant, PHOTO)
    rows.job(tenant, asset_ids=(kept.id,))
    with pytest.raises(StateConflict):
        assets.delete(tenant, kept.id)
    assert assets.find(tenant, kept.id) == kept


def test_an_asset_can_go_once_its_jobs_have_ended_and_they_still_name_it(assets, tenant, rows, database):
    kept = assets.keep(tenant, PHOTO)
    job_id = rows.job(tenant, asset_ids=(kept.id,))
    with database.statement() as connection:
        ended = {"status": "canceled", "dispatch": "done", "finished_at": func.now()}
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(**ended))
    assert assets.delete(tenant, kept.id) == PHOTO.blob_key
    [named] = Jobs(database).find(tenant, job_id).inputs
    assert named.asset_id == kept.id


def test_an_asset_that_a_job_names_at_the_same_moment_stays(assets, tenant, rows, database, eventually):
    """The job's transaction is open while the delete begins: the delete waits for it, and loses."""
    kept, job_id = assets.keep(tenant, PHOTO), rows.job(tenant)
    outcome = []
    thread = threading.Thread(target=lambda: outcome.append(refusal(lambda: assets.delete(tenant, kept.id))))
    with database.transaction() as connection:
        row = {"job_id": job_id, "position": 0, "tenant_id": tenant, "asset": kept.id, "asset_id": kept.id}
        connection.execute(insert(job_inputs).values(**row))
        thread.start()
        with as_owner(database) as watcher:
            # Not `pg_stat_activity`: a transaction is shown the same of it each time.
            waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            eventually(lambda: watcher.execute(waiting).scalar_one() == 1)
    thread.join(30)
    assert outcome[0]["class"] is StateConflict
    assert assets.find(tenant, kept.id) == kept


def test_pages_run_from_the_newest_to_the_oldest(assets, tenant):
    ids = sorted((assets.keep(tenant, photo(n)).id for n in range(5)), reverse=True)
    first = assets.list(tenant, before=None, limit=2)
    assert [asset.id for asset in first] == ids[:2]
    rest = assets.list(tenant, before=first[-1].id, limit=10)
    assert [asset.id for asset in rest] == ids[2:]
    assert assets.list(tenant, before=rest[-1].id, limit=10) == []
