"""P24: erasing a tenant leaves nothing of it and touches nobody else, wherever it is cut off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, insert, select, text, update

from fakes.job_rows import JobRows
from fakes.rows import Rows
from fakes.whole_tenant import Whole, dump, fill, of
from reelqueue.domain.audit import Actor
from reelqueue.domain.erasures import Erasure, ErasureState
from reelqueue.domain.intake import NewAsset, NewJob
from reelqueue.domain.jobs import Status
from reelqueue.errors import NotFound, StateConflict
from reelqueue.files.keys import asset_key, result_key, tenant_prefix
from reelqueue.files.storage import FileStorage, open_storage
from reelqueue.jobs.erasing import FileEraser, RowEraser
from reelqueue.kit.clock import SystemClock
from reelqueue.kit.ids import new_id
from reelqueue.store import erasing_rows
from reelqueue.store.assets import Assets
from reelqueue.store.engine import Database
from reelqueue.store.erasures import Erasures
from reelqueue.store.intake import JobIntake
from reelqueue.store.tables import erased_spending, erasures, jobs, messages, recoveries, tenants, upstream_tokens
from reelqueue.store.tenants import Tenants

OURS, THEIRS = "canary4711", "wren0815"
PHOTO = NewAsset(
    sha256="0" * 64, bytes=1, kind="image", media_type="image/png", extension="png", label="late.png", width=1,
    height=1, duration_ms=None, blob_key="k",
)  # fmt: skip
OPERATOR = Actor(name="operator", request_id="req_1")


@pytest.fixture
def store(database: Database) -> Erasures:
    return Erasures(database)


@pytest.fixture
def storage(tmp_path: Any) -> FileStorage:
    return open_storage((tmp_path / "files").as_uri(), scratch=tmp_path / "scratch")


@pytest.fixture
def pool_token(database: Database) -> str:
    token_id = new_id("upstream_token")
    with database.statement() as connection:
        row = {"id": token_id, "label": "pool", "kind": "supplied", "secret": b"s", "fingerprint": b"f"}
        connection.execute(insert(upstream_tokens).values(**row))
    return token_id


@pytest.fixture
def ours(database: Database, pool_token: str) -> Whole:
    return fill(database, OURS, pool_token=pool_token)


@pytest.fixture
def theirs(database: Database, pool_token: str) -> Whole:
    return fill(database, THEIRS, pool_token=pool_token)


def keep(storage: FileStorage, content: str, key: str) -> None:
    spooled = storage.spool.receive(max_bytes=100)
    spooled.write(content.encode())
    spooled.finish()
    storage.blobs.keep(spooled, key)


def long_ago(database: Database, tenant_id: str) -> None:
    """A minute has passed since the erasure was asked for, and whoever worked on it is gone."""
    minute = text("now() - interval '1 minute'")
    mine = update(erasures).where(erasures.c.tenant_id == tenant_id)
    with database.statement() as connection:
        connection.execute(mine.values(requested_at=minute, due_at=minute))


def drive(database: Database, store: Erasures, tenant_id: str, until: ErasureState) -> Erasure:
    """Step, without any of the waits, until the erasure is that far."""
    for _ in range(200):
        found = store.find(tenant_id)
        if found.state is until:
            return found
        long_ago(database, tenant_id)
        RowEraser(store).step()
    raise AssertionError(f"still {found.state}")


def test_nothing_is_left_and_nobody_else_is_touched(
    database: Database, store: Erasures, storage: FileStorage, ours: Whole, theirs: Whole
) -> None:
    for whole in (ours, theirs):
        keep(storage, whole.word, asset_key(whole.id, "a" * 64))
        keep(storage, whole.word, result_key(whole.id, whole.jobs["ended"]))
    before = dump(database)
    store.begin(ours.id, by=OPERATOR)
    drive(database, store, ours.id, ErasureState.FILES)
    assert FileEraser(store, storage.blobs, tenant_prefix).run() == 2

    found = store.find(ours.id)
    assert found.state is ErasureState.ERASED
    after = dump(database)
    assert of(after, OURS) == {}
    assert of(after, THEIRS, theirs.id) == of(before, THEIRS, theirs.id)
    assert [row for row in after["upstream_tokens"] if "pool" in row] == [
        row for row in before["upstream_tokens"] if "pool" in row
    ]
    # Its id is all that says there ever was such a tenant.
    assert set(of(after, ours.id)) == {"erasures", "erased_spending", "audit_log"}
    kept = {path.read_text() for path in storage.blobs._root.rglob("*") if path.is_file()}  # type: ignore[attr-defined]
    assert kept == {THEIRS}

    mine = {name: len(rows) for name, rows in of(before, ours.id).items()}
    assert found.counts == {**mine, "files": 2, "months_kept": 1}
    assert found.requested_by == "operator"
    assert found.requested_at < found.ended_at <= found.rows_at <= found.finished_at  # type: ignore[operator]
    with database.statement() as connection:
        sums = connection.execute(select(erased_spending)).mappings().one()
    assert (sums["tenant_id"], sums["turns"], sums["spent"], sums["unknown"]) == (ours.id, 2, 1.5, 1)


def test_every_table_with_an_owner_is_erased() -> None:
    with_owner = {table.name for table in tenants.metadata.sorted_tables if "tenant_id" in table.c}
    outlive = {"audit_log", "erasures", "erased_spending"}
    assert {table.name for table in erasing_rows.OWNED} == with_owner - outlive


@contextmanager
def crashing_at(database: Database, number: int) -> Iterator[list[str]]:
    """The process dies before this statement of the block reaches the database; the list says what was seen."""
    seen: list[str] = []

    def die(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)
        if len(seen) == number:
            raise RuntimeError("killed")

    event.listen(database.engine, "before_cursor_execute", die)
    try:
        yield seen
    finally:
        event.remove(database.engine, "before_cursor_execute", die)


def test_a_crash_at_any_statement_of_any_step_is_taken_up_again(
    database: Database, store: Erasures, ours: Whole, theirs: Whole, make_database: Callable[[], Database]
) -> None:
    before = dump(database)
    store.begin(ours.id)
    dying = make_database()
    eraser, number, crashes = RowEraser(Erasures(dying)), 1, 0
    while store.find(ours.id).state is not ErasureState.FILES:
        long_ago(database, ours.id)
        with crashing_at(dying, number) as seen:
            try:
                eraser.step()
            except RuntimeError:
                number, crashes = number + 1, crashes + 1
                continue
        assert len(seen) < number
        number = 1
    assert crashes > 40
    after = dump(database)
    assert of(after, OURS) == {}
    assert of(after, THEIRS, theirs.id) == of(before, THEIRS, theirs.id)
    counts = store.find(ours.id).counts
    mine = {name: len(rows) for name, rows in of(before, ours.id).items()}
    assert counts == {**mine, "months_kept": 1}
    with database.statement() as connection:
        assert connection.execute(select(erased_spending.c.spent)).scalar_one() == 1.5


def test_files_that_a_killed_gateway_left_are_taken_by_the_next(
    database: Database, store: Erasures, storage: FileStorage, ours: Whole
) -> None:
    for number in range(3):
        keep(storage, OURS, asset_key(ours.id, f"{number}" * 64))
    store.begin(ours.id)
    drive(database, store, ours.id, ErasureState.FILES)

    class Dying:
        stored = storage.blobs.stored

        def __init__(self) -> None:
            self.left = 1

        def delete(self, key: str) -> None:
            if not self.left:
                raise OSError("killed")
            self.left -= 1
            storage.blobs.delete(key)

    with pytest.raises(OSError, match="killed"):
        FileEraser(store, Dying(), tenant_prefix).run()
    whole = FileEraser(store, storage.blobs, tenant_prefix)
    assert whole.run() == 0, "the claim of the killed one has not run out"
    long_ago(database, ours.id)
    assert whole.run() == 2
    assert store.find(ours.id).state is ErasureState.ERASED
    assert list(storage.blobs.stored(tenant_prefix(ours.id))) == []


def test_what_nobody_works_on_ends_at_once_and_the_rest_is_waited_for(
    database: Database, store: Erasures, board: JobRows, tenant: str
) -> None:
    claim = board.held(tenant, board.worker())
    asked = board.job(tenant, Status.REQUIRES_INPUT)
    queued = board.job(tenant)
    message = Rows(database).message(tenant, url="http://127.0.0.1:9/", rung=False)
    store.begin(tenant)
    for _ in range(3):
        long_ago(database, tenant)
        RowEraser(store).step()
        assert store.find(tenant).state is ErasureState.ENDING
    assert [board.read(job_id)["status"] for job_id in (asked, queued)] == ["canceled"] * 2
    assert Rows(database).read(messages, message)["state"] == "dropped"
    held = board.read(claim.job.id)
    assert (held["status"], held["dispatch"]) == ("instructing", "held")
    assert held["cancel_requested_at"] is not None

    board.write(
        claim.job.id, status="canceled", dispatch="done", lease_owner=None, due_at=None, finished_at=held["created_at"]
    )
    drive(database, store, tenant, ErasureState.ROWS)


@pytest.mark.parametrize(("kind", "waits"), [("turn", True), ("render", False)])
def test_a_turn_that_was_sent_is_settled_before_its_rows_go(
    database: Database, store: Erasures, ours: Whole, kind: str, waits: bool
) -> None:
    mine = update(recoveries).where(recoveries.c.tenant_id == ours.id)
    with database.statement() as connection:
        connection.execute(mine.values(kind=kind))
    store.begin(ours.id)
    long_ago(database, ours.id)
    RowEraser(store).step()
    assert (store.find(ours.id).state is ErasureState.ENDING) == waits
    with database.statement() as connection:
        connection.execute(mine.values(dispatch="done", due_at=None))
    drive(database, store, ours.id, ErasureState.FILES)


def test_no_row_goes_while_a_gateway_may_still_let_a_key_in(store: Erasures, tenant: str) -> None:
    store.begin(tenant)
    RowEraser(store).step()
    assert store.find(tenant).state is ErasureState.ENDING


def test_a_row_that_comes_after_all_is_erased_too(
    database: Database, make_database: Callable[[], Database], store: Erasures, tenant: str
) -> None:
    """A request that was let in before the tenant was erased, and took its time."""
    others, came = make_database(), []

    def come(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("SET LOCAL") and not came:
            came.append(1)
            Assets(others).keep(tenant, PHOTO)

    store.begin(tenant)
    event.listen(database.engine, "before_cursor_execute", come)
    found = drive(database, store, tenant, ErasureState.FILES)
    assert came
    assert found.counts == {"assets": 1, "tenants": 1, "months_kept": 0}
    with pytest.raises(NotFound):
        JobIntake(database, SystemClock()).accept(NewJob(tenant_id=tenant, instructions=("animate this",)))


def test_two_erasers_at_once_delete_and_count_each_row_once(
    database: Database, store: Erasures, ours: Whole, make_database: Callable[[], Database], at_once: Any
) -> None:
    before = dump(database)
    store.begin(ours.id)
    erasers = [RowEraser(Erasures(make_database())) for _ in range(4)]

    def run(number: int) -> None:
        for _ in range(120):
            erasers[number].step()

    long_ago(database, ours.id)
    assert at_once(4, run) == [None] * 4
    found = store.find(ours.id)
    assert found.state is ErasureState.FILES
    assert found.counts == {**{name: len(rows) for name, rows in of(before, ours.id).items()}, "months_kept": 1}


def test_an_eraser_that_was_too_slow_writes_nothing(database: Database, store: Erasures, ours: Whole) -> None:
    store.begin(ours.id)
    long_ago(database, ours.id)
    slow = store.claim((ErasureState.ENDING,))
    long_ago(database, ours.id)
    assert store.claim((ErasureState.ENDING,)) is not None
    before = dump(database)
    assert slow is not None
    for write in (store.end_some, store.drop_some, store.finish, lambda claim: store.note_files(claim, 1)):
        with pytest.raises(Exception) as caught:
            write(slow)
        assert type(caught.value).__name__ == "ClaimLost"
    assert dump(database) == before


def test_asking_twice_changes_nothing_and_nothing_brings_a_tenant_back(
    database: Database, store: Erasures, sealer: Any, tenant: str
) -> None:
    first = store.begin(tenant, by=OPERATOR)
    assert store.begin(tenant) == first
    known = Tenants(database, sealer)
    for change in (known.resume, known.suspend):
        with pytest.raises(StateConflict):
            change(tenant)
    drive(database, store, tenant, ErasureState.FILES)
    assert store.begin(tenant).state is ErasureState.FILES
    for missing in ("ten_" + "0" * 26, "acme"):
        with pytest.raises(NotFound):
            store.begin(missing)
        with pytest.raises(NotFound):
            store.find(missing)


def test_more_jobs_than_one_parcel_are_ended_and_deleted(
    database: Database, store: Erasures, board: JobRows, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    board.many(tenant, 2 * erasing_rows.PARCEL + 1)
    store.begin(tenant)
    found = drive(database, store, tenant, ErasureState.FILES)
    assert found.counts["jobs"] == 2 * erasing_rows.PARCEL + 1
    assert board.count(jobs) == 0


def test_sums_are_kept_for_seven_years(database: Database, store: Erasures) -> None:
    with database.statement() as connection:
        for years in (6, 8):
            month = text(f"current_date - interval '{years} years'")
            row = {"month": month, "turns": 1, "spent": 1.0, "unknown": 0}
            connection.execute(insert(erased_spending).values(tenant_id=f"ten_{years}", **row))
    assert store.forget_old_spending() == 1
    with database.statement() as connection:
        assert connection.execute(select(erased_spending.c.tenant_id)).scalars().all() == ["ten_6"]
