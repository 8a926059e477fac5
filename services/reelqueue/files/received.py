"""Files that have arrived, were looked at and lie on the disk under temporary names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from reelqueue.domain.repairs import Repair
from reelqueue.files.formats import MediaInfo
from reelqueue.files.limits import FileLimits
from reelqueue.files.names import clean_name, with_extension
from reelqueue.files.repair.workshop import Workshop
from reelqueue.files.sniff import begins_like_a_picture, inspect
from reelqueue.files.spool import Spool, SpooledFile


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """One file, whole, flushed, and of a type that is accepted.

    `label` is its cleaned name, `extension` that of its format. `sha256` is of the bytes as they are here,
    `source_sha256` of those that were sent; both hexadecimal. Hand `spooled` to a `BlobStore` or discard it.
    """

    label: str
    extension: str
    spooled: SpooledFile
    sha256: str
    source_sha256: str
    bytes: int
    info: MediaInfo
    repairs: tuple[Repair, ...] = ()


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


def arriving(spool: Spool, limits: FileLimits) -> SpooledFile:
    """A new empty file for what a caller sends. A picture may be larger than it will be kept."""

    def room(head: bytes) -> int:
        return limits.most_bytes if begins_like_a_picture(head) else limits.max_file_bytes

    return spool.receive(max_bytes=limits.max_file_bytes, room=room)


def take(spooled: SpooledFile, *, name: str, extension: str, limits: FileLimits, workshop: Workshop) -> ReceivedFile:
    """Look at a file that has arrived, repair it if need be, then put it on the disk.

    `name` is as the caller wrote it; `extension` is what its content is expected to be, or "". Raises what `inspect`
    and `Workshop.mend` raise, and StorageFull; the file is removed then.
    """
    source_sha256 = spooled.sha256
    repairs: tuple[Repair, ...] = ()
    try:
        with spooled.reading() as file:
            info = inspect(file, spooled.bytes, extension=extension, limits=limits)
        mended = workshop.mend(spooled, info, limits=limits)
        if mended is not None:
            spooled.discard()
            spooled, info, repairs = mended.spooled, mended.info, mended.repairs
        spooled.finish()
    except BaseException:
        spooled.discard()
        raise
    sent = clean_name(name)
    label = with_extension(sent, info.extension)
    if name and label != sent:
        repairs = (*repairs, Repair("renamed", sent, label))
    return ReceivedFile(
        label, info.extension, spooled, spooled.sha256, source_sha256, spooled.bytes, info, repairs=repairs
    )
