"""Where bytes arrive: temporary files with a size cap and a running SHA-256."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Protocol, Self
from uuid import uuid4

from reelqueue.errors import FileTooLarge
from reelqueue.files.disk import full_is_told

_TEMPORARY: Final = "tmp"
_SUFFIX: Final = ".part"


class RawFile(Protocol):
    """An unbuffered file opened for writing: what `SpooledFile` needs of one."""

    def write(self, data: memoryview, /) -> int | None:
        """Write some of the bytes and say how many."""
        ...

    def fileno(self) -> int:
        """The descriptor, to flush it."""
        ...

    def close(self) -> None:
        """Close it; nothing is left to write."""
        ...


OpenRaw = Callable[[Path], RawFile]
Room = Callable[[bytes], int]
"""The cap, in bytes, for a file that begins like this."""
HEAD_BYTES: Final = 16
"""How many of the first bytes are kept in memory, to tell what is coming."""


def open_exclusive(path: Path) -> RawFile:
    """A new file that only this user can read; fails if the name is taken, even by a link."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o600), "wb", buffering=0)


class SpooledFile:
    """One arriving file. As a context it removes its temporary file at the end, unless a store has taken it.

    Not for use from several threads at once. `sha256` is hexadecimal, of the bytes so far; `head` is how
    they begin.
    """

    def __init__(self, path: Path, raw: RawFile, *, max_bytes: int, room: Room | None = None) -> None:
        """`room` is asked once, as `max_bytes` is passed, with `head`."""
        self.path = path
        self.bytes = 0
        self._room = room
        self.head = b""
        self._raw: RawFile | None = raw
        self._max_bytes = max_bytes
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Of all bytes written so far."""
        return self._digest.hexdigest()

    @property
    def finished(self) -> bool:
        """Whether the bytes are on the disk and no more will come."""
        return self._raw is None

    def write(self, data: bytes | memoryview) -> None:
        """Add bytes.

        Raises FileTooLarge as the cap is passed, before the bytes past it are written, and StorageFull; the temporary
        file is gone then.
        """
        if self._raw is None:
            raise ValueError("the file is finished")
        view = memoryview(data)
        try:
            self.head += view[: HEAD_BYTES - len(self.head)]
            self._check_room(len(view))
            self._digest.update(view)
            self.bytes += len(view)
            with full_is_told():
                while view:
                    view = view[self._raw.write(view) or 0 :]
        except BaseException:
            self.discard()
            raise

    def _check_room(self, more: int) -> None:
        if self.bytes + more > self._max_bytes and self._room is not None:
            self._max_bytes, self._room = max(self._max_bytes, self._room(self.head)), None
        if self.bytes + more > self._max_bytes:
            raise FileTooLarge(detail={"limit_bytes": self._max_bytes})

    def finish(self) -> None:
        """Return when the bytes would survive a power cut under their temporary name. Raises StorageFull."""
        if self._raw is None:
            return
        try:
            with full_is_told():
                os.fsync(self._raw.fileno())
                self._raw.close()
        except BaseException:
            self.discard()
            raise
        self._raw = None

    @contextmanager
    def reading(self) -> Iterator[BinaryIO]:
        """The bytes so far, seekable. Each read goes to the file: nothing is buffered twice."""
        with self.path.open("rb", buffering=0) as file:
            yield file

    def discard(self) -> None:
        """Close and remove the temporary file. Safe to repeat; leaves a file that a store has taken."""
        raw, self._raw = self._raw, None
        if raw is not None:
            with suppress(OSError):  # a full disk may say so again; the file goes anyway
                raw.close()
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()


class Spool:
    """A directory for arriving files: `root/tmp`, made when first needed.

    To let a local store take a file by renaming it, give both the same root.
    """

    def __init__(self, root: Path, *, open_raw: OpenRaw = open_exclusive) -> None:
        self.directory = root / _TEMPORARY
        self._open_raw = open_raw

    def receive(self, *, max_bytes: int, room: Room | None = None) -> SpooledFile:
        """A new empty file that takes at most so many bytes, or as many as `room` says once it has taken those.

        Raises StorageFull if there is room for none.
        """
        path = self.directory / f"{uuid4().hex}{_SUFFIX}"
        try:
            with full_is_told():
                self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                raw = self._open_raw(path)
        except BaseException:
            with suppress(OSError):
                path.unlink(missing_ok=True)
            raise
        return SpooledFile(path, raw, max_bytes=max_bytes, room=room)

    def sweep(self, *, older_than_s: float, now: float) -> int:
        """Remove temporary files not written to for so long, and say how many.

        They are what killed processes left: a living one removes its own. `now` is in seconds since 1970. Safe beside
        uploads, whose files are younger, and beside another sweep.
        """
        removed = 0
        with suppress(FileNotFoundError):  # nothing has ever arrived
            for entry in os.scandir(self.directory):
                with suppress(FileNotFoundError):  # kept, discarded or swept meanwhile
                    if entry.name.endswith(_SUFFIX) and entry.stat(follow_symlinks=False).st_mtime < now - older_than_s:
                        Path(entry.path).unlink()
                        removed += 1
        return removed
