"""Where pictures are repaired: a process for each, and not many at once."""

from __future__ import annotations

import math
import os
import selectors
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, Final

from reelqueue.domain.repairs import Measure, Repair
from reelqueue.errors import (
    FileRefused,
    FileTooLarge,
    ImageTooManyPixels,
    ImageUnreadable,
    ReelqueueError,
    RepairsUnavailable,
)
from reelqueue.files.formats import FORMATS, MediaInfo, usual
from reelqueue.files.limits import FileLimits
from reelqueue.files.repair.order import MAX_HEAD, Exit, Head, Order
from reelqueue.files.sniff import inspect
from reelqueue.files.spool import Spool, SpooledFile
from reelqueue.kit.clock import Clock
from reelqueue.kit.logs import get_logger

_CHILD: Final = "reelqueue.files.repair.child"
_IMPORTED_FROM: Final = str(Path(__file__).parents[3])
_ENVIRONMENT: Final = MappingProxyType(
    {
        "PYTHONPATH": _IMPORTED_FROM,
        # Each thread of a decoder would else reserve an arena, and address space is what is limited.
        "MALLOC_ARENA_MAX": "2",
        "OMP_NUM_THREADS": "1",
    }
)
_CHUNK: Final = 65_536
_CPU_SHARE: Final = 2.0
"""Some decoders use two cores. The deadline ends them first; this ends one whose parent has died."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkshopLimits:
    """What a repair may take, and how many may run or wait."""

    at_once: int = 2
    queue: int = 8
    """Requests that wait for a place. Further ones are turned away at once: each holds a thread."""
    wait_s: float = 30.0
    """How long they wait."""
    deadline_s: float = 60.0
    """For one picture, from the start of its process. A large PNG is compressed two or three times over."""
    memory_bytes: int = 2_147_483_648
    """Address space of one process."""
    quality: int = 92
    """Of JPEGs."""


@dataclass(frozen=True, slots=True)
class Mended:
    """A file to keep in place of another, and what was done."""

    spooled: SpooledFile
    info: MediaInfo
    repairs: tuple[Repair, ...]


class Workshop:
    """Repairs pictures in processes of their own. For many threads; each call blocks for its picture."""

    def __init__(self, spool: Spool, *, limits: WorkshopLimits, clock: Clock) -> None:
        self._spool = spool
        self._limits = limits
        self._clock = clock
        self._places = threading.BoundedSemaphore(limits.at_once)
        self._line = threading.BoundedSemaphore(limits.at_once + limits.queue)

    def mend(self, source: SpooledFile, info: MediaInfo, *, limits: FileLimits) -> Mended | None:
        """The picture in a format and size that are kept; `None` if the file is so already.

        The new file is the caller's, as the old one stays. Raises FileTooLarge (nothing that fits can be made of it, or
        it is an animation, which would stand still), ImageTooManyPixels, ImageUnreadable, RepairsUnavailable,
        StorageFull; nothing is left then.
        """
        over = source.bytes > limits.max_file_bytes
        if info.extension in FORMATS and not over:
            return None
        if info.kind != "image" or (info.frames or 1) > 1:
            raise _too_large(limits)
        order = Order(
            format=usual(info.extension),
            max_bytes=limits.max_file_bytes,
            max_pixels=limits.max_pixels,
            quality=self._limits.quality,
            memory_bytes=self._limits.memory_bytes,
            cpu_s=math.ceil(self._limits.deadline_s * _CPU_SHARE),
        )
        with self._place():
            return self._mended(source, order, limits)

    @contextmanager
    def _place(self) -> Iterator[None]:
        """One of the places, for the length of the block."""
        if not self._line.acquire(blocking=False):
            raise RepairsUnavailable
        try:
            if not self._places.acquire(timeout=self._limits.wait_s):
                raise RepairsUnavailable
            try:
                yield
            finally:
                self._places.release()
        finally:
            self._line.release()

    def _mended(self, source: SpooledFile, order: Order, limits: FileLimits) -> Mended:
        started = self._clock.monotonic()
        made = self._spool.receive(max_bytes=order.max_bytes)
        try:
            head = self._result(source, order, made)
            info = _looked_at(made, head, limits)
        except BaseException as error:
            made.discard()
            if isinstance(error, ReelqueueError):
                _log.warning("picture.refused", format=order.format, bytes=source.bytes, code=error.code)
            raise
        repairs = _repairs(order, source, head, made, info)
        seconds = round(self._clock.monotonic() - started, 3)
        _log.info("picture.repaired", format=order.format, bytes=source.bytes, kept_bytes=made.bytes, seconds=seconds)
        return Mended(made, info, repairs)

    def _result(self, source: SpooledFile, order: Order, made: SpooledFile) -> Head:
        """Let a child work on the file, and take down what it makes of it."""
        ends_at = self._clock.monotonic() + self._limits.deadline_s
        with source.reading() as file, _child(order, file) as child:
            assert child.stdout is not None
            line = self._take_down(child.stdout, made, ends_at)
            try:
                code = child.wait(max(0.0, ends_at - self._clock.monotonic()))
            except subprocess.TimeoutExpired as expired:
                raise ImageUnreadable from expired
        if code != Exit.DONE:
            raise _refusal(code, order)
        try:
            return Head.read(line, max_pixels=order.max_pixels)
        except ValueError as error:
            raise ImageUnreadable from error

    def _take_down(self, pipe: IO[bytes], made: SpooledFile, ends_at: float) -> bytes:
        """Write to the disk what comes after the first line, and return that line. Ends with the pipe.

        Raises ImageUnreadable when time is up, and what the disk says; never holds more than a chunk.
        """
        start, in_head = b"", True
        with selectors.DefaultSelector() as ready:
            ready.register(pipe, selectors.EVENT_READ)
            while ready.select(max(0.0, ends_at - self._clock.monotonic())):
                data = os.read(pipe.fileno(), _CHUNK)
                if not data:
                    return start
                if not in_head:
                    made.write(data)
                    continue
                start, line_break, rest = (start + data).partition(b"\n")
                if len(start) > MAX_HEAD:
                    raise ImageUnreadable
                if line_break:
                    in_head = False
                    made.write(rest)
        raise ImageUnreadable


@contextmanager
def _child(order: Order, file: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """A process at work on an open file; dead at the end of the block, whatever happened."""
    command = [sys.executable, "-P", "-s", "-B", "-m", _CHILD, order.text()]
    try:
        child = subprocess.Popen(  # noqa: S603 - no word of it comes from a request
            command,
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            cwd="/",
            env=dict(_ENVIRONMENT),
            start_new_session=True,
        )
    except OSError as error:
        raise RepairsUnavailable from error
    with child:
        try:
            yield child
        finally:
            child.kill()


def _looked_at(made: SpooledFile, head: Head, limits: FileLimits) -> MediaInfo:
    """As an upload would be: the child read strange bytes and is not to be believed."""
    try:
        with made.reading() as file:
            info = inspect(file, made.bytes, extension=head.format, limits=limits)
    except FileRefused as refused:
        raise ImageUnreadable from refused
    if info.extension != head.format or info.width is None or info.height is None:
        raise ImageUnreadable
    return info


def _repairs(order: Order, source: SpooledFile, head: Head, made: SpooledFile, info: MediaInfo) -> tuple[Repair, ...]:
    assert info.width is not None
    assert info.height is not None
    before = Measure(source.bytes, head.width, head.height)
    after = Measure(made.bytes, info.width, info.height)
    done = []
    if order.format != info.extension:
        done.append(Repair("converted", order.format, info.extension))
    if source.bytes > order.max_bytes or (before.width, before.height) != (after.width, after.height):
        done.append(Repair("scaled", before, after))
    return tuple(done)


def _refusal(code: int, order: Order) -> ReelqueueError:
    if code == Exit.TOO_MANY_PIXELS:
        return ImageTooManyPixels(detail={"limit_pixels": order.max_pixels})
    if code == Exit.CANNOT_FIT:
        return FileTooLarge(detail={"limit_bytes": order.max_bytes})
    if code == Exit.NOT_READY:
        return RepairsUnavailable()
    return ImageUnreadable()


def _too_large(limits: FileLimits) -> FileTooLarge:
    return FileTooLarge(detail={"limit_bytes": limits.max_file_bytes})
