"""Temporary files."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import threading
from pathlib import Path

import pytest

from fakes import media
from fakes.uploads import file_part, form
from fakes.workshops import receiver as open_receiver
from reelqueue.errors import FileTooLarge, StorageFull
from reelqueue.files.limits import FileLimits
from reelqueue.files.spool import RawFile, Spool, open_exclusive

HOUR = 3_600.0


class FullDisk:
    """A file whose name is on our disk and whose bytes go to one that is full: the kernel itself refuses them."""

    def __init__(self, path: Path) -> None:
        open_exclusive(path).close()
        self._file = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115 - closed by the spool

    def write(self, data: memoryview, /) -> int | None:
        return self._file.write(data)

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()


class ShortWrites:
    """A file that takes seven bytes at a time, as a raw file may."""

    def __init__(self, path: Path) -> None:
        self._file = open_exclusive(path)

    def write(self, data: memoryview, /) -> int | None:
        return self._file.write(data[:7])

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()


def no_inodes(path: Path) -> RawFile:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def left(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def test_bytes_size_and_hash(tmp_path: Path):
    with Spool(tmp_path).receive(max_bytes=100) as spooled:
        for piece in (b"abc", b"", memoryview(b"defg")[1:]):
            spooled.write(piece)
        assert not spooled.finished
        spooled.finish()
        spooled.finish()
        assert spooled.finished
        assert (spooled.bytes, spooled.sha256) == (6, hashlib.sha256(b"abcefg").hexdigest())
        assert spooled.path.read_bytes() == b"abcefg"
        assert spooled.path.parent == tmp_path / "tmp"
        with spooled.reading() as file:
            file.seek(2)
            assert file.read(3) == b"cef"
    assert left(tmp_path) == []


def test_only_this_user_can_read_it(tmp_path: Path):
    with Spool(tmp_path).receive(max_bytes=1) as spooled:
        assert stat.S_IMODE(spooled.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(spooled.path.parent.stat().st_mode) == 0o700


def test_a_name_that_is_taken_is_not_followed(tmp_path: Path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    link = tmp_path / "link"
    link.symlink_to(victim)
    for path in (victim, link):
        with pytest.raises(FileExistsError):
            open_exclusive(path)
    assert victim.read_bytes() == b"precious"


def test_short_writes_are_completed(tmp_path: Path):
    with Spool(tmp_path, open_raw=ShortWrites).receive(max_bytes=1_000) as spooled:
        spooled.write(bytes(range(100)))
        spooled.finish()
        assert spooled.path.read_bytes() == bytes(range(100))


def test_the_cap_holds_as_it_is_passed(tmp_path: Path):
    spooled = Spool(tmp_path).receive(max_bytes=10)
    spooled.write(bytes(10))
    assert spooled.path.stat().st_size == 10
    with pytest.raises(FileTooLarge) as caught:
        spooled.write(b"x")
    assert caught.value.detail == {"limit_bytes": 10}
    assert left(tmp_path) == []


def test_a_full_disk(tmp_path: Path):
    spooled = Spool(tmp_path, open_raw=FullDisk).receive(max_bytes=10)
    assert len(left(tmp_path)) == 1
    with pytest.raises(StorageFull):
        spooled.write(b"x")
    assert left(tmp_path) == []


def test_a_disk_that_is_full_when_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fsync(_: int) -> None:
        raise OSError(errno.EDQUOT, "quota")

    monkeypatch.setattr(os, "fsync", fsync)
    spooled = Spool(tmp_path).receive(max_bytes=10)
    spooled.write(b"x")
    with pytest.raises(StorageFull):
        spooled.finish()
    assert left(tmp_path) == []


def test_no_inodes(tmp_path: Path):
    with pytest.raises(StorageFull):
        Spool(tmp_path, open_raw=no_inodes).receive(max_bytes=10)


@pytest.mark.parametrize("open_raw", [FullDisk, no_inodes])
def test_a_form_on_a_full_disk_leaves_nothing(open_raw, tmp_path: Path):
    upload = form(file_part("a.png", media.png()))
    receiver = open_receiver(upload.content_type, Spool(tmp_path, open_raw=open_raw), limits=FileLimits())
    with pytest.raises(StorageFull) as caught:
        receiver.feed(upload.body)
    assert caught.value.pointer is None
    assert left(tmp_path) == []


def test_a_disk_that_is_full_at_the_second_file_takes_the_first_with_it(tmp_path: Path):
    kinds = iter([open_exclusive, FullDisk])

    def open_next(path: Path) -> RawFile:
        return next(kinds)(path)

    upload = form(file_part("a.png", media.png()), file_part("b.png", media.png()))
    receiver = open_receiver(upload.content_type, Spool(tmp_path, open_raw=open_next), limits=FileLimits())
    with pytest.raises(StorageFull):
        receiver.feed(upload.body)
    assert left(tmp_path) == []


def test_another_error_of_the_disk_is_not_called_full(tmp_path: Path):
    def broken(path: Path) -> RawFile:
        raise OSError(errno.EIO, "broken", str(path))

    with pytest.raises(OSError, match="broken"):
        Spool(tmp_path, open_raw=broken).receive(max_bytes=1)


def test_an_exception_inside_removes_it(tmp_path: Path):
    def interrupted() -> None:
        with Spool(tmp_path).receive(max_bytes=10) as spooled:
            spooled.write(b"x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert left(tmp_path) == []


def test_a_finished_file_takes_no_more(tmp_path: Path):
    with Spool(tmp_path).receive(max_bytes=10) as spooled:
        spooled.finish()
        with pytest.raises(ValueError, match="finished"):
            spooled.write(b"x")


def test_sweep_removes_what_nobody_writes_to(tmp_path: Path):
    spool = Spool(tmp_path)
    old, young, other = (spool.receive(max_bytes=10) for _ in range(3))
    foreign = spool.directory / "README"
    foreign.write_text("not ours")
    now = young.path.stat().st_mtime
    for path in (old.path, foreign):
        os.utime(path, (now - HOUR - 1, now - HOUR - 1))
    os.utime(other.path, (now - HOUR + 1, now - HOUR + 1))
    assert spool.sweep(older_than_s=HOUR, now=now) == 1
    assert set(left(tmp_path)) == {young.path, other.path, foreign}
    for spooled in (old, young, other):
        spooled.discard()


def test_writing_keeps_a_slow_upload_from_the_sweep(tmp_path: Path):
    spool = Spool(tmp_path)
    with spool.receive(max_bytes=10) as slow:
        os.utime(slow.path, (0, 0))
        slow.write(b"x")
        assert spool.sweep(older_than_s=HOUR, now=slow.path.stat().st_mtime + HOUR - 1) == 0


def test_sweep_before_anything_arrived(tmp_path: Path):
    assert Spool(tmp_path / "none").sweep(older_than_s=0, now=1e12) == 0


def test_two_sweeps_at_once(tmp_path: Path):
    spool = Spool(tmp_path)
    for _ in range(200):
        spool.receive(max_bytes=1).finish()
    counts: list[int] = []
    sweeps = [threading.Thread(target=lambda: counts.append(spool.sweep(older_than_s=0, now=1e12))) for _ in range(4)]
    for sweep in sweeps:
        sweep.start()
    for sweep in sweeps:
        sweep.join()
    assert left(tmp_path) == []
    assert sum(counts) == 200
