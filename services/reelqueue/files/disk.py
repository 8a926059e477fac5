"""What we ask of the file system: say when it is full, and put a directory on the disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from reelqueue.errors import StorageFull

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextmanager
def full_is_told() -> Iterator[None]:
    """Turn "no space", "no inodes" and "over quota" into StorageFull. Other errors of the disk pass unchanged."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull from error
        raise


def flush_directory(directory: Path) -> None:
    """Return when the names in the directory would survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
