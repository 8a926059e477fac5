"""The operating-system account that a server runs under.

PostgreSQL refuses to run as root, so a root caller hands it to `nobody`. No account is created and no directory of
anyone else's is opened up for that.
"""

from __future__ import annotations

import os
import pwd
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reelqueue.dev.errors import ServerFailed

# In this order. It has to be one that the system knows: initdb refuses a user id without a name. The last two exist
# wherever the Linux Standard Base is kept, in images too small for a `nobody`.
_NAMES = ("nobody", "nfsnobody", "daemon", "bin")


@dataclass(frozen=True, slots=True)
class Account:
    """A user and its group, by number."""

    uid: int
    gid: int


def unprivileged_account() -> Account | None:
    """The account to give up root for; None for an ordinary user, who keeps their own.

    ServerFailed if the system has none to offer.
    """
    if os.geteuid() != 0:
        return None
    for name in _NAMES:
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    raise ServerFailed(f"PostgreSQL does not run as root, and this system has no user {' or '.join(_NAMES)}")


def owner_of(path: Path) -> Account:
    """Who owns an existing path."""
    status = path.stat()
    return Account(status.st_uid, status.st_gid)


def reachable_by_others(path: Path) -> bool:
    """Whether an account that owns none of them may pass through `path` and all its parents, by their mode bits."""
    resolved = path.resolve()
    return all(step.stat().st_mode & stat.S_IXOTH for step in (resolved, *resolved.parents))
