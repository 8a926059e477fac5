"""The process that repairs: what it may not do, and how it ends."""

from __future__ import annotations

import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes import media
from fakes.workshops import corners, leftovers, photograph, received, saved
from fixtures.eventually import Eventually
from reelqueue.errors import FileTooLarge, ImageUnreadable, RepairsUnavailable, StorageFull
from reelqueue.files.formats import MediaInfo
from reelqueue.files.limits import FileLimits
from reelqueue.files.received import arriving
from reelqueue.files.repair import workshop as module
from reelqueue.files.repair.order import MAX_HEAD, Head, Order
from reelqueue.files.repair.workshop import Workshop, WorkshopLimits
from reelqueue.files.spool import Spool
from reelqueue.kit.clock import SystemClock

HEIC = photograph("heic")
HEIC_INFO = MediaInfo("image", "image/heic", "heic", 64, 48, 1)
LIMITS = FileLimits()


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path)


@pytest.fixture
def child_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put another program in the place of the child, as a decoder that was taken over would be one."""

    def run(program: str) -> None:
        (tmp_path / "stand_in.py").write_text(program)
        monkeypatch.setattr(module, "_CHILD", "stand_in")
        monkeypatch.setattr(module, "_ENVIRONMENT", {"PYTHONPATH": str(tmp_path)})

    return run


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Every process that was started; all must be gone at the end."""
    started: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def start(*args, **kwargs):
        started.append(real(*args, **kwargs))
        return started[-1]

    monkeypatch.setattr(module.subprocess, "Popen", start)
    yield started
    assert started
    assert all(child.returncode is not None for child in started)


def test_a_child_that_does_not_end_is_killed_and_leaves_nothing(spool: Spool, child_runs, children):
    child_runs("import time\ntime.sleep(600)")
    with pytest.raises(ImageUnreadable):
        received(spool, "a.heic", HEIC, deadline_s=0.5)
    assert children[0].returncode == -9


def test_a_child_that_closes_its_output_and_does_not_end_is_killed(spool: Spool, child_runs, children):
    child_runs("import os, time\nos.close(1)\ntime.sleep(600)")
    with pytest.raises(ImageUnreadable):
        received(spool, "a.heic", HEIC, deadline_s=1.0)
    assert children[0].returncode == -9


@pytest.mark.parametrize(
    ("program", "error"),
    [
        ("import os\nos.abort()", ImageUnreadable),
        ("import sys\nsys.exit(65)", ImageUnreadable),
        ("import sys\nsys.exit(3)", ImageUnreadable),
        ("import sys\nsys.exit(67)", FileTooLarge),
        ("import no_such_module", RepairsUnavailable),
        ("print('x' * 100_000_000)", ImageUnreadable),
        ("print('{}')", ImageUnreadable),
        ("print('[1]')", ImageUnreadable),
        ("print('no head')", ImageUnreadable),
        ('print(\'{"format": "exe", "width": 1, "height": 1}\')', ImageUnreadable),
        ('print(\'{"format": "jpg", "width": -1, "height": 1}\')', ImageUnreadable),
        ('print(\'{"format": "jpg", "width": true, "height": 1}\')', ImageUnreadable),
        ('print(\'{"format": "jpg", "width": 99999, "height": 99999}\\nabc\')', ImageUnreadable),
        ('print(\'{"format": "jpg", "width": 1, "height": 1}\')', ImageUnreadable),
        (
            'print(\'{"format": "jpg", "width": 1, "height": 1}\\n<html>a page</html>\')',
            ImageUnreadable,
        ),
        ('print(\'{"format": "jpg", "width": 1, "height": 1}\\n\' + \'x\' * 100_000_000)', FileTooLarge),
    ],
)
def test_what_it_says_is_not_believed(program: str, error: type[Exception], spool: Spool, child_runs, children):
    child_runs(program)
    with pytest.raises(error):
        received(spool, "a.heic", HEIC)


def test_a_flood_is_not_held_in_memory(spool: Spool, child_runs, children):
    child_runs("print('x' * 20_000_000)")
    tracemalloc.start()
    try:
        with pytest.raises(ImageUnreadable):
            received(spool, "a.heic", HEIC)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def test_another_format_than_it_says_is_not_taken(spool: Spool, child_runs, children):
    png = media.png()
    child_runs(
        'import sys\nsys.stdout.buffer.write(b\'{"format": "jpg", "width": 1, "height": 1}\\n\' + ' + repr(png) + ")"
    )
    with pytest.raises(ImageUnreadable):
        received(spool, "a.heic", HEIC)


# What a decoder that was taken over would try first.
CONFINED = """
import json, socket, subprocess, sys
from reelqueue.files.repair import child
from reelqueue.files.repair.order import Order

child._confine(Order.read(sys.argv[1]))
"""
ATTEMPTS = """
done = []

def attempt(name, act):
    try:
        act()
    except (OSError, MemoryError, ValueError):
        return
    done.append(name)

attempt("read a file", lambda: open("/etc/passwd"))
attempt("write a file", lambda: open(sys.argv[2], "w"))
attempt("open a socket", lambda: socket.socket())
attempt("take memory", lambda: bytearray(1_200_000_000))
attempt("start a program", lambda: subprocess.run(["/bin/true"]))
print(json.dumps(done))
"""


def confined(program: str, *arguments: str, cpu_s: int = 20) -> subprocess.CompletedProcess[bytes]:
    order = Order(format="heic", max_bytes=1, max_pixels=1, quality=92, memory_bytes=1_000_000_000, cpu_s=cpu_s)
    return subprocess.run(
        [sys.executable, "-c", CONFINED + program, order.text(), *arguments],
        capture_output=True,
        check=False,
        env={**module._ENVIRONMENT},
    )


def test_the_child_gives_up_what_it_does_not_need(tmp_path: Path):
    run = confined(ATTEMPTS, str(tmp_path / "written"))
    assert run.stdout == b"[]\n", run.stderr
    assert not (tmp_path / "written").exists()


def test_time_on_the_processor_is_counted():
    assert confined("while True: pass", cpu_s=1).returncode in (-24, -9)


def test_the_child_is_told_no_secret(spool: Spool, monkeypatch: pytest.MonkeyPatch, child_runs, children, tmp_path):
    monkeypatch.setenv("REELQUEUE_SECRET_KEY", "s3cret")
    told = tmp_path / "told"
    child_runs(f"import os\nopen({str(told)!r}, 'w').write(repr(dict(os.environ)))")
    with pytest.raises(ImageUnreadable):
        received(spool, "a.heic", HEIC)
    assert "PYTHONPATH" in told.read_text()
    assert "s3cret" not in told.read_text()


def test_the_gateway_never_loads_a_decoder():
    program = "import reelqueue.gateway.server, sys\nprint({'PIL', 'pillow_heif'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, env={**module._ENVIRONMENT})
    assert run.stdout == b"set()\n"


def test_a_child_that_cannot_be_started(spool: Spool, monkeypatch: pytest.MonkeyPatch):
    def refused(*_, **__):
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(module.subprocess, "Popen", refused)
    with pytest.raises(RepairsUnavailable):
        received(spool, "a.heic", HEIC)


def test_a_disk_that_fills_up_with_the_result(spool: Spool, children):
    opened_files = []

    class Full:
        def __init__(self, path: Path) -> None:
            opened_files.append(path)
            self._file = path.open("xb", buffering=0)

        def write(self, data: memoryview) -> int:
            if len(opened_files) > 1:
                raise OSError(28, "No space left on device")
            return self._file.write(data) or 0

        def fileno(self) -> int:
            return self._file.fileno()

        def close(self) -> None:
            self._file.close()

    spool = Spool(spool.directory.parent, open_raw=Full)
    with pytest.raises(StorageFull):
        received(spool, "a.heic", HEIC)
    assert len(opened_files) == 2


def refusal(shop: Workshop, spool: Spool) -> type[Exception]:
    with arriving(spool, LIMITS) as file:
        file.write(HEIC)
        with pytest.raises((ImageUnreadable, RepairsUnavailable)) as caught:
            shop.mend(file, HEIC_INFO, limits=LIMITS)
    return caught.type


@pytest.mark.parametrize(("queue", "wait_s"), [(0, 600.0), (1, 0.1)])
def test_who_finds_no_place_in_time_is_told_to_come_back(
    queue: int, wait_s: float, spool: Spool, child_runs, children, eventually: Eventually
):
    child_runs("import time\ntime.sleep(600)")
    limits = WorkshopLimits(at_once=2, queue=queue, wait_s=wait_s, deadline_s=600)
    shop = Workshop(spool, limits=limits, clock=SystemClock())
    ended: list[type[Exception]] = []
    threads = [threading.Thread(target=lambda: ended.append(refusal(shop, spool))) for _ in range(2)]
    for thread in threads:
        thread.start()
    eventually(lambda: len(children) == 2)
    assert refusal(shop, spool) is RepairsUnavailable
    assert refusal(shop, spool) is RepairsUnavailable
    assert len(children) == 2
    for child in children:
        child.kill()
    for thread in threads:
        thread.join()
    assert ended == [ImageUnreadable, ImageUnreadable]
    assert leftovers(spool) == set()


def test_a_head_is_short():
    head = Head(format="jpg", width=100_000_000, height=1)
    assert len(head.line()) <= MAX_HEAD
    assert Head.read(head.line(), max_pixels=100_000_000) == head


def test_a_place_is_free_again_after_each(spool: Spool):
    shop = Workshop(spool, limits=WorkshopLimits(at_once=1, queue=0, wait_s=0.1), clock=SystemClock())
    for content, works in ((HEIC, True), (HEIC[:-40], False), (saved(corners(), "heic"), True)):
        with arriving(spool, LIMITS) as file:
            file.write(content)
            if works:
                mended = shop.mend(file, HEIC_INFO, limits=LIMITS)
                assert mended is not None
                mended.spooled.discard()
            else:
                with pytest.raises(ImageUnreadable):
                    shop.mend(file, HEIC_INFO, limits=LIMITS)
    assert leftovers(spool) == set()
