"""The small locks of the image's stages: the same pins and hashes as `requirements-dev.lock`, fewer packages.

`python -m reelqueue.dev.locks` writes them again after `make lock`; a test compares them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

ROOT: Final = Path(__file__).parents[3]

PARTS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "deploy/build.lock": ("hatchling", "packaging", "pathspec", "pluggy", "tomlkit", "trove-classifiers"),
        "deploy/twin.lock": ("av", "pyyaml"),
    }
)
"""What builds our wheel, and what the stand-in for NemoVideo needs beside the service's own packages."""

_ENTRY: Final = re.compile(r"^([a-z0-9-]+)==.*(?:\n    .*)*", re.MULTILINE)


class NotPinned(Exception):
    """A package of `PARTS` is not in the development lock."""


def parts(root: Path) -> dict[str, str]:
    """The text of each small lock. Raises `NotPinned`."""
    lock = (root / "requirements-dev.lock").read_text(encoding="utf-8")
    entries = {found[1]: found[0] for found in _ENTRY.finditer(lock)}
    if missing := {name for names in PARTS.values() for name in names} - set(entries):
        raise NotPinned(", ".join(sorted(missing)))
    return {path: "\n".join(entries[name] for name in names) + "\n" for path, names in PARTS.items()}


def main() -> int:
    """Write them."""
    for path, text in parts(ROOT).items():
        (ROOT / path).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
