"""Where a cluster's files lie, when the directory the user named is one the server may not enter."""

from __future__ import annotations

import tempfile
from pathlib import Path

import structlog

from reelqueue.dev.account import Account, reachable_by_others
from reelqueue.dev.binaries import shared_directory
from reelqueue.dev.errors import ServerFailed

_log = structlog.get_logger(__name__)


def locate_cluster(home: Path, account: Account | None) -> Path:
    """The directory for the cluster of `home`, which itself need not exist yet.

    It is `home/cluster`, with one exception. When root runs the server under another `account`, and that account cannot
    pass through the parents of `home` (a private /root, say), the files lie in
    `/var/tmp/reelqueue-postgres-data-<random>/cluster`, and `home/cluster` is a symbolic link to them; the file `home`
    beside them says whose they are. So the data follow `home` when it is renamed; when `home` is deleted by hand they
    stay behind, because nothing can tell a deleted directory from a moved one. `EmbeddedPostgres.destroy` deletes both.

    ServerFailed if the files have become unreachable for the account since they were made.
    """
    cluster = home / "cluster"
    reachable = account is None or reachable_by_others(home)
    if cluster.is_symlink():
        target = cluster.readlink()
        if target.parent.is_dir():
            return target
        _log.warning("cluster.lost", link=str(cluster), target=str(target))
        cluster.unlink()
    elif cluster.exists() and not reachable:
        raise ServerFailed(
            f"the database in {cluster} runs under another account than yours, which can no longer reach it: a "
            f"directory above it has become private. Open it for passing through, or move {home} elsewhere."
        )
    return cluster if reachable else _elsewhere(home, cluster)


def _elsewhere(home: Path, link: Path) -> Path:
    # A random name: /var/tmp is public, and a name that can be foretold can be taken by somebody else first.
    place = Path(tempfile.mkdtemp(prefix="reelqueue-postgres-data-", dir=shared_directory(executable=False)))
    place.chmod(0o711)
    (place / "home").write_text(f"{home}\n")
    target = place / "cluster"
    link.symlink_to(target)
    _log.info("cluster.placed", home=str(home), cluster=str(target))
    return target


def place_of(home: Path) -> Path | None:
    """The directory outside `home` that holds its files, if there is one."""
    cluster = home / "cluster"
    return cluster.readlink().parent if cluster.is_symlink() else None
