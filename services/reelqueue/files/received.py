"""Files that have arrived, were looked at and lie on the disk under temporary names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from reelqueue.files.formats import MediaInfo
from reelqueue.files.limits import FileLimits
from reelqueue.files.names import clean_name, with_extension
from reelqueue.files.sniff import inspect
from reelqueue.files.spool import SpooledFile


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """One file, whole, flushed, and of a type that is accepted.

    `label` is its cleaned name, `extension` that of its format, `sha256` hexadecimal. Hand `spooled` to a `BlobStore`
    or discard it.
    """

    label: str
    extension: str
    spooled: SpooledFile
    sha256: str
    bytes: int
    info: MediaInfo


@dataclass(frozen=True, slots=True)
class ReceivedForm:
    """A whole form. As a context it removes, at the end, the files that no store has taken."""

    fields: Mapping[str, str]
    files: tuple[ReceivedFile, ...]

    def discard(self) -> None:
        """Remove what no store has taken. Safe to repeat."""
        for file in self.files:
            file.spooled.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()


def take(spooled: SpooledFile, *, name: str, extension: str, limits: FileLimits) -> ReceivedFile:
    """Look at a file that has arrived, then put it on the disk.

    `name` is as the caller wrote it; `extension` is what its content must fit, or "" if the content decides. Raises
    what `inspect` raises, and StorageFull; the file is removed then.
    """
    try:
        with spooled.reading() as file:
            info = inspect(file, spooled.bytes, extension=extension, limits=limits)
        spooled.finish()
    except BaseException:
        spooled.discard()
        raise
    label = with_extension(clean_name(name), info.extension)
    return ReceivedFile(label, info.extension, spooled, spooled.sha256, spooled.bytes, info)
