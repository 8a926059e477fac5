"""Making a PostgreSQL cluster, and telling whether one that exists can be used."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from reelqueue.dev.account import Account
from reelqueue.dev.errors import DiskFull, ServerFailed

_MAJOR = "18"
# A fresh cluster takes 40 MB, its log segments 16 MB at a time; less room than this ends in the middle of something.
ROOM_BYTES = 160 * 1024 * 1024

# The whole environment of PostgreSQL's programs: a PGPORT or PGOPTIONS of the user's must not reach them, their
# messages are read by us in English, and naming the time zone spares initdb the search for it.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}

_INITDB_OPTIONS = (
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    # The same order and case rules on every machine, whatever its locales.
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
)


def make_cluster(
    cluster: Path, account: Account | None, *, programs: Path, user: str, password: str, room_bytes: int
) -> None:
    """Make a cluster at a path that does not exist, owned by `account` (None: the caller), whole or not at all.

    `programs` is the directory with initdb in it, `user` the cluster's superuser. DiskFull if less than `room_bytes`
    are free, or if the room ends on the way; ServerFailed.
    """
    free = shutil.disk_usage(cluster.parent).free
    if free < room_bytes:
        raise DiskFull(
            f"no room for a database in {cluster.parent}: {free >> 20} MB free, {room_bytes >> 20} MB needed"
        )
    # A draft beside its place, so that one cut short is never taken for a cluster.
    draft = cluster.with_name(cluster.name + ".new")
    secret = cluster.with_name(cluster.name + ".password")
    shutil.rmtree(draft, ignore_errors=True)
    secret.unlink(missing_ok=True)
    draft.mkdir(mode=0o700)
    descriptor = os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as stream:
            stream.write(password + "\n")
        if account is not None:
            _hand_over((draft, secret), account)
        _initdb(draft, secret, account, programs=programs, user=user)
        draft.rename(cluster)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    finally:
        secret.unlink()


def check_cluster(cluster: Path, account: Account | None) -> None:
    """ServerFailed, with what to do, if this cluster cannot be run by `account` (None: the caller) and this version."""
    uid = os.geteuid() if account is None else account.uid
    if cluster.stat().st_uid != uid:
        raise ServerFailed(f"the database in {cluster} belongs to another user; choose another directory")
    major = (cluster / "PG_VERSION").read_text().strip()
    if major != _MAJOR:
        raise ServerFailed(f"the database in {cluster} was made by PostgreSQL {major}, and this is {_MAJOR}")


def _hand_over(paths: Iterable[Path], account: Account) -> None:
    try:
        for path in paths:
            os.chown(path, account.uid, account.gid)
    except OSError as error:  # a container without the right, or without that user
        raise ServerFailed(
            f"PostgreSQL does not run as root, and its files cannot be given to user {account.uid} ({error.strerror}); "
            "start this as an ordinary user"
        ) from error


def _initdb(draft: Path, secret: Path, account: Account | None, *, programs: Path, user: str) -> None:
    done = subprocess.run(  # noqa: S603 - a program of the wheel, no shell
        [str(programs / "initdb"), "-D", str(draft), f"--username={user}", f"--pwfile={secret}", *_INITDB_OPTIONS],
        env=ENVIRONMENT,
        cwd=draft,
        capture_output=True,
        text=True,
        check=False,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
    if done.returncode == 0:
        return
    if os.strerror(28) in done.stderr:
        raise DiskFull(f"the disk that holds {draft.parent} is full: no room for a database")
    raise ServerFailed(f"initdb failed in {draft.parent}:\n{done.stderr.strip()}")
