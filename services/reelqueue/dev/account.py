"""The operating-system account that a server runs under.

PostgreSQL refuses to run as root, so a root caller hands it to `nobody`. No account is created and no directory of
anyone else's is opened up for that.
"""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

# What `nobody` is on Linux, for an image so small that its passwd file does not say so.
_NOBODY_ID = 65534


@dataclass(frozen=True, slots=True)
class Account:
    """A user and its group, by number."""

    uid: int
    gid: int


def unprivileged_account() -> Account | None:
    """The account to give up root for; None for an ordinary user, who keeps their own."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return Account(_NOBODY_ID, _NOBODY_ID)
    return Account(entry.pw_uid, entry.pw_gid)


def owner_of(path: Path) -> Account:
    """Who owns an existing path."""
    status = path.stat()
    return Account(status.st_uid, status.st_gid)


def reachable_by_others(path: Path) -> bool:
    """Whether an account that owns none of them may pass through `path` and all its parents, by their mode bits."""
    resolved = path.resolve()
    return all(step.stat().st_mode & stat.S_IXOTH for step in (resolved, *resolved.parents))
