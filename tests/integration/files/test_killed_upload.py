"""A process that is killed in the middle of an upload: what it leaves is swept, what it kept stays."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from reelqueue.files.keys import result_key
from reelqueue.files.spool import Spool

UPLOADER = """
import sys
from pathlib import Path
from reelqueue.files.local import LocalBlobs
from reelqueue.files.spool import Spool

root, key, progress = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
spooled = Spool(root).receive(max_bytes=1_000_000)
spooled.write(bytes(500_000))
if progress != "half":
    spooled.finish()
if progress == "kept":
    LocalBlobs(root).keep(spooled, key)
print("there", flush=True)
sys.stdin.read()
"""
KEY = result_key("ten_1", "job_1")


def files(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]


@pytest.mark.parametrize("progress", ["half", "finished", "kept"])
def test_kill(progress: str, tmp_path: Path):
    command = [sys.executable, "-c", UPLOADER, str(tmp_path), KEY, progress]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"there\n"
        process.kill()
    left = files(tmp_path)
    assert len(left) == 1
    written = (tmp_path / left[0]).stat().st_mtime
    spool = Spool(tmp_path)
    assert spool.sweep(older_than_s=3_600, now=written + 60) == 0, "it could be a living upload"
    assert spool.sweep(older_than_s=3_600, now=written + 3_601) == (progress != "kept")
    assert files(tmp_path) == ([KEY] if progress == "kept" else [])
