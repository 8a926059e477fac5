"""Order and cleaning up, with adapters that fail where a test says."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from fakes.engine import make_asset
from reelqueue.domain.intake import Accepted, IdempotencyKey, NewJob
from reelqueue.domain.repairs import Repair
from reelqueue.errors import (
    DependencyUnavailable,
    DestinationNotAllowed,
    IdempotencyKeyReused,
    NotFound,
    SourceUnreachable,
    StorageFull,
    ValidationFailed,
)
from reelqueue.jobs.drafts import DraftInput, JobDraft
from reelqueue.jobs.keep_assets import AssetKeeping
from reelqueue.jobs.shelf import Shelf
from reelqueue.jobs.submit import JobSubmission
from reelqueue.kit.clock import SystemClock
from reelqueue.kit.ids import new_id

TENANT = "ten_1"


@dataclass
class FakeSpooled:
    discarded: bool = False
    taken: bool = False

    def discard(self) -> None:
        self.discarded = True


@dataclass
class FakeInfo:
    kind: str = "image"
    media_type: str = "image/png"
    width: int | None = 1
    height: int | None = 1
    duration_ms: int | None = None


@dataclass
class FakeFile:
    sha256: str
    label: str = "a.png"
    extension: str = "png"
    bytes: int = 3
    spooled: FakeSpooled = field(default_factory=FakeSpooled)
    info: FakeInfo = field(default_factory=FakeInfo)
    source_sha256: str = "source"
    repairs: tuple[Repair, ...] = ()


class World:
    """All adapters at once; `log` is the order of what happened."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.files: set[str] = set()
        self.rows: set[str] = set()
        self.known_assets: set[str] = set()
        self.earlier: Any = None
        self.accept_error: Exception | None = None
        self.keep_error_at: int | None = None
        self.database_down = False
        self.fetched: dict[str, FakeFile] = {}
        self.lock = threading.Lock()
        self.replayed = False
        self.accepted: list[NewJob] = []

    # blobs
    def exists(self, key: str) -> bool:
        return key in self.files

    def keep_blob(self, spooled: FakeSpooled, key: str) -> None:
        if self.keep_error_at is not None and len(self.files) >= self.keep_error_at:
            raise StorageFull
        self.log.append(f"keep {key}")
        spooled.taken = True
        self.files.add(key)

    def delete_blob(self, key: str) -> None:
        self.log.append(f"delete {key}")
        self.files.discard(key)

    # rows
    def find_many(self, tenant_id: str, ids: Any) -> list[Any]:
        self.log.append("find_many")
        if self.database_down:
            raise DependencyUnavailable
        for place, one in enumerate(ids):
            if one not in self.known_assets:
                raise NotFound(pointer=f"/{place}")
        return [replace(make_asset(), id=one) for one in ids]

    def is_named(self, tenant_id: str, key: str) -> bool:
        if self.database_down:
            raise DependencyUnavailable
        return key in self.rows

    def accept(self, new: NewJob) -> Accepted:
        self.log.append("accept")
        if self.accept_error is not None:
            raise self.accept_error
        self.accepted.append(new)
        self.rows |= {one.asset.blob_key for one in new.inputs if one.asset and not self.replayed}
        return Accepted(job=self.earlier, replayed=self.replayed)

    def replay(self, tenant_id: str, idempotency: IdempotencyKey) -> Any:
        self.log.append("replay")
        if self.database_down:
            raise DependencyUnavailable
        return self.earlier

    # outside
    def fetch(self, url: str) -> FakeFile:
        with self.lock:
            self.log.append(f"fetch {url}")
        if url not in self.fetched:
            raise SourceUnreachable
        return self.fetched[url]

    def check(self, url: str) -> None:
        self.log.append(f"check {url}")
        if "forbidden" in url:
            raise DestinationNotAllowed

    def submission(self) -> JobSubmission:
        return JobSubmission(
            intake=self,
            assets=self,
            shelf=self.shelf(),
            fetcher=self,
            egress=self,
            projects=self,
            clock=SystemClock(),
            most_inputs=20,
        )

    def shelf(self) -> Shelf:
        world = self

        class Blobs:
            exists = staticmethod(world.exists)
            keep = staticmethod(world.keep_blob)
            delete = staticmethod(world.delete_blob)

        return Shelf(Blobs(), lambda tenant, sha256: f"{tenant}/{sha256}", self.is_named)

    # asset rows
    def keep(self, tenant_id: str, new: Any) -> Any:
        self.rows.add(new.blob_key)
        return new

    def delete(self, tenant_id: str, asset_id: str) -> str | None:
        self.rows.discard(asset_id)
        return asset_id


@pytest.fixture
def world() -> World:
    return World()


def draft(*inputs: DraftInput, **members: Any) -> JobDraft:
    return JobDraft(instructions=("x",), inputs=inputs, **members)


def url(name: str, *, upstream: bool = False) -> DraftInput:
    return DraftInput(url=f"https://{name}", by_upstream=upstream)


def test_a_plain_job_is_one_commit(world: World) -> None:
    new = world.submission().plain(TENANT, draft(), key="k")
    assert new is not None
    assert new.idempotency is not None
    assert world.log == []
    assert world.submission().plain(TENANT, draft(url("a"))) is None
    assert world.submission().plain(TENANT, draft(webhook_url="https://a")) is None


def test_the_order_of_a_costly_one(world: World) -> None:
    asset = new_id("asset")
    world.known_assets.add(asset)
    world.fetched["https://a"] = FakeFile("aa")
    wanted = draft(DraftInput(asset_id=asset), url("a"), url("b", upstream=True), webhook_url="https://hook")
    world.submission().submit(TENANT, wanted, files=[FakeFile("ff")], key="k")
    assert world.log == [
        "replay",
        "find_many",
        "check https://hook",
        "check https://b",
        "fetch https://a",
        "keep ten_1/aa",
        "keep ten_1/ff",
        "accept",
    ]
    shown = [(one.asset_id, one.url, one.asset and one.asset.sha256) for one in world.accepted[0].inputs]
    assert shown == [(asset, None, None), (None, None, "aa"), (None, "https://b", None), (None, None, "ff")]


def test_what_was_done_to_each_file_goes_with_its_input(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, three = (Repair("renamed", name, "a.png") for name in "123")
    asset = new_id("asset")
    world.known_assets.add(asset)
    monkeypatch.setattr(
        world, "find_many", lambda _, ids: [replace(make_asset(), id=one, repairs=(two,)) for one in ids]
    )
    world.fetched["https://a"] = FakeFile("aa", repairs=(one,))
    wanted = draft(url("a"), DraftInput(asset_id=asset), url("b", upstream=True))
    world.submission().submit(TENANT, wanted, files=[FakeFile("ff", repairs=(three,), source_sha256="ff")])
    assert [item.repaired for item in world.accepted[0].inputs] == [(one,), (two,), (), (three,)]
    new = [item.asset for item in world.accepted[0].inputs if item.asset is not None]
    assert [item.source_sha256 for item in new] == ["source", None]


def test_a_request_is_known_by_the_bytes_that_were_sent(world: World) -> None:
    """What a repair makes of them may change with the next version of a library."""
    for sha256, source in (("aa", "sent"), ("bb", "sent"), ("bb", "other")):
        world.submission().submit(TENANT, draft(), files=[FakeFile(sha256, source_sha256=source)], key="k")
    one, two, three = (new.idempotency and new.idempotency.fingerprint for new in world.accepted)
    assert one == two != three


def test_an_earlier_job_spares_everything_else(world: World) -> None:
    world.earlier = object()
    file = FakeFile("ff")
    accepted = world.submission().submit(TENANT, draft(url("a")), files=[file], key="k")
    assert accepted.replayed
    assert accepted.job is world.earlier
    assert world.log == ["replay"]
    assert file.spooled.discarded


@pytest.mark.parametrize("key", [None, "k"])
def test_a_database_that_is_down_is_found_out_before_any_file_is_kept(world: World, key: str | None) -> None:
    world.database_down = True
    file = FakeFile("ff")
    with pytest.raises(DependencyUnavailable):
        world.submission().submit(TENANT, draft(), files=[file], key=key)
    assert world.files == set()
    assert file.spooled.discarded


def test_errors_point_to_the_input(world: World) -> None:
    asset = new_id("asset")
    world.known_assets.add(asset)
    for inputs, error, pointer in (
        ((url("missing"),), SourceUnreachable, "/inputs/0"),
        ((DraftInput(asset_id=asset), DraftInput(asset_id=new_id("asset"))), NotFound, "/inputs/1"),
        ((DraftInput(asset_id=asset), DraftInput(asset_id="nonsense")), NotFound, "/inputs/1"),
        ((url("ok", upstream=True), url("forbidden", upstream=True)), DestinationNotAllowed, "/inputs/1"),
    ):
        with pytest.raises(error) as caught:
            world.submission().submit(TENANT, draft(*inputs))
        assert caught.value.pointer == pointer
    assert world.files == set()


def test_one_url_that_fails_discards_the_files_of_the_others(world: World) -> None:
    world.fetched = {f"https://{n}": FakeFile(f"{n}{n}") for n in range(6)}
    files = list(world.fetched.values())
    with pytest.raises(SourceUnreachable):
        world.submission().submit(TENANT, draft(*(url(str(n)) for n in range(6)), url("missing")))
    assert world.files == set()
    fetched = [world.fetched[line.removeprefix("fetch ")] for line in world.log if line[6:] in world.fetched]
    assert all(file.spooled.discarded for file in fetched)
    assert files


@pytest.mark.parametrize("error", [IdempotencyKeyReused(), ZeroDivisionError()])
def test_a_refusal_at_the_last_moment_takes_the_new_files_away(world: World, error: Exception) -> None:
    world.accept_error = error
    world.files.add("ten_1/old")
    with pytest.raises(type(error)):
        world.submission().submit(TENANT, draft(), files=[FakeFile("new"), FakeFile("old")])
    assert world.files == {"ten_1/old"}


def test_a_doubtful_commit_takes_nothing_away(world: World) -> None:
    """The rows may be there: then the job needs its file."""
    world.accept_error = DependencyUnavailable()
    with pytest.raises(DependencyUnavailable):
        world.submission().submit(TENANT, draft(), files=[FakeFile("new")])
    assert world.files == {"ten_1/new"}


def test_a_file_that_a_row_names_is_never_taken_away(world: World) -> None:
    """Another request with the same bytes was faster: its row is committed, though the file was new to both."""
    world.accept_error = IdempotencyKeyReused()
    world.rows.add("ten_1/new")
    with pytest.raises(IdempotencyKeyReused):
        world.submission().submit(TENANT, draft(), files=[FakeFile("new")])
    assert world.files == {"ten_1/new"}


def test_a_replayed_job_keeps_only_what_its_rows_name(world: World) -> None:
    world.replayed = True
    world.rows.add("ten_1/mine")
    world.submission().submit(TENANT, draft(), files=[FakeFile("mine"), FakeFile("changed")])
    assert world.files == {"ten_1/mine"}


def test_a_full_store_takes_back_the_first_of_two(world: World) -> None:
    world.keep_error_at = 1
    files = [FakeFile("one"), FakeFile("two")]
    with pytest.raises(StorageFull):
        world.submission().submit(TENANT, draft(), files=files)
    assert world.files == set()
    assert files[1].spooled.discarded


def test_a_file_that_another_request_is_about_to_name_stays(world: World) -> None:
    shelf = world.shelf()
    with shelf.keeping(TENANT, [FakeFile("shared")]) as mine:
        with pytest.raises(IdempotencyKeyReused), shelf.keeping(TENANT, [FakeFile("shared")]):
            raise IdempotencyKeyReused
        assert world.files == {"ten_1/shared"}
        world.rows.add("ten_1/shared")
        mine.named()
    assert world.files == {"ten_1/shared"}


def test_deleting_an_asset_spares_a_file_that_is_being_brought_again(world: World) -> None:
    shelf = world.shelf()
    keeping = AssetKeeping(assets=world, shelf=shelf, fetcher=world)
    keeping.keep(TENANT, [FakeFile("aa")])
    with shelf.keeping(TENANT, [FakeFile("aa")]) as kept:
        keeping.delete(TENANT, "ten_1/aa")
        assert world.files == {"ten_1/aa"}
        world.rows.add("ten_1/aa")
        kept.named()
    keeping.delete(TENANT, "ten_1/aa")
    assert world.files == set()


def test_limits_on_the_whole(world: World) -> None:
    submission = world.submission()
    with pytest.raises(ValidationFailed) as many:
        submission.submit(TENANT, draft(*[url("a")] * 11), files=[FakeFile("a")] * 10)
    assert many.value.pointer == "/inputs"
    with pytest.raises(ValidationFailed) as late:
        submission.plain(TENANT, draft(finish_by=datetime(2020, 1, 1, tzinfo=UTC)))
    assert late.value.pointer == "/finish_by"
    assert world.log == []
