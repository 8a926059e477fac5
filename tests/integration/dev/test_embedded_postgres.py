"""The embedded PostgreSQL: its life, its data, its account, its neighbours."""

from __future__ import annotations

import os
import random
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from fixtures.eventually import Eventually
from reelqueue.dev.account import unprivileged_account
from reelqueue.dev.binaries import postgres_server_bin
from reelqueue.dev.cluster import make_cluster
from reelqueue.dev.errors import DirectoryInUse, DiskFull, ServerFailed
from reelqueue.dev.leftovers import servers_in
from reelqueue.dev.postgres import EmbeddedPostgres
from reelqueue.dev.supervisor import Supervisor


@pytest.fixture(scope="module")
def shelf() -> Iterator[Path]:
    """A directory that every account may pass through, which pytest's own are not."""
    shelf = Path(tempfile.mkdtemp(prefix="reelqueue-tests-"))
    shelf.chmod(0o755)
    yield shelf
    shutil.rmtree(shelf)


@pytest.fixture(scope="module")
def data_dir(shelf: Path) -> Path:
    """The cluster of the tests in this file; initdb is what costs the time.

    Its first start finds what one that was cut short would have left.
    """
    data_dir = shelf / "a stack, with spaces"
    data_dir.mkdir(mode=0o755)
    half = data_dir / "cluster.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    (data_dir / "cluster.password").touch()
    server = EmbeddedPostgres(data_dir, durable=False)
    server.start()
    server.stop()
    return data_dir


@pytest.fixture
def server(data_dir: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(data_dir, durable=False, tethered=True)
    yield server
    server.stop(immediate=True)


def query(url: str, sql: str) -> object:
    with psycopg.connect(url, connect_timeout=10, autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall()[0][0] if cursor.description else None


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_data_password_and_port_survive_a_stop_and_a_start(server: EmbeddedPostgres) -> None:
    with server:
        url = server.url
        query(url, "CREATE TABLE stopped AS SELECT 42 AS value")
    assert not servers_in("postgres", server.data_dir / "cluster")
    with server:
        assert server.url == url
        assert query(server.url, "SELECT value FROM stopped") == 42


def test_data_survive_a_crash(server: EmbeddedPostgres) -> None:
    server.start()
    query(server.url, "CREATE TABLE crashed AS SELECT 42 AS value")
    before = server.pid
    server.kill()
    with pytest.raises(ServerFailed, match="not running"):
        _ = server.pid
    server.start()
    assert server.pid != before
    assert query(server.url, "SELECT value FROM crashed") == 42


def test_a_supervisor_starts_it_again_where_it_was(
    server: EmbeddedPostgres, tmp_path: Path, eventually: Eventually
) -> None:
    server.start()
    url, before = server.url, server.pid
    query(url, "CREATE TABLE supervised AS SELECT 42 AS value")
    supervisor = Supervisor([], tmp_path / "logs")
    supervisor.adopt(server.role(), server.process)
    supervisor.start()
    try:
        with psycopg.connect(url):  # its own process outlives the parent for a moment, and holds its memory
            server.kill()
        eventually(lambda: supervisor.pids().get("postgres", before) != before and server.is_ready())
        assert server.url == url
        assert query(url, "SELECT value FROM supervised") == 42
        server.create_database("after")
        server.drop_database("after")
    finally:
        supervisor.stop()
    assert not servers_in("postgres", server._cluster)


def test_it_runs_as_nobody_for_root_and_as_oneself_otherwise(server: EmbeddedPostgres) -> None:
    server.start()
    account = unprivileged_account()
    uid = os.getuid() if account is None else account.uid
    assert uid != 0
    assert set(psutil.Process(server.pid).uids()) == {uid}
    assert set(psutil.Process(server.pid).gids()) == {os.getgid() if account is None else account.gid}
    assert server._cluster == server.data_dir / "cluster", "a directory that can be reached is used as it is"


@pytest.fixture
def private(tmp_path: Path) -> Iterator[Path]:
    """A directory that nobody else may pass through; what is in its `moved` successor is deleted in the end."""
    private = tmp_path / "home of somebody"
    private.mkdir(mode=0o700)
    yield private
    for home in (private, tmp_path / "moved"):
        if home.exists():
            EmbeddedPostgres(home / "postgres").destroy()


def test_a_private_parent_directory_stays_private(private: Path) -> None:
    modes = {path: path.stat().st_mode for path in (private, *private.parents)}
    with EmbeddedPostgres(private / "postgres", durable=False) as server:
        assert query(server.url, "SELECT 1") == 1
        place = (server.data_dir / "cluster").resolve()
        assert place.is_relative_to(private) == (os.geteuid() != 0)
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        query(server.url, "CREATE TABLE kept AS SELECT 42 AS value")
    assert {path: path.stat().st_mode for path in modes} == modes, "no directory of anybody else's changed"
    moved = private.rename(private.with_name("moved"))
    with EmbeddedPostgres(moved / "postgres", durable=False) as server:
        assert query(server.url, "SELECT value FROM kept") == 42
        place = (server.data_dir / "cluster").resolve()
    server.destroy()
    assert not place.exists()
    assert not server.data_dir.exists()


def test_a_password_is_asked_for_and_kept_private(server: EmbeddedPostgres) -> None:
    server.start()
    password = server.url.split(":")[2].partition("@")[0]
    assert len(password) >= 24
    with pytest.raises(psycopg.OperationalError, match="password"):
        query(server.url.replace(password, "wrong"), "SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="password"):
        query(server.url.replace(f":{password}", ""), "SELECT 1")
    assert stat.S_IMODE((server.data_dir / "password").stat().st_mode) == 0o600
    assert password not in " ".join(psutil.Process(server.pid).cmdline())
    assert password not in repr(server)
    assert password not in repr(server.role())
    assert not list(server.data_dir.glob("*.password"))


def test_it_listens_on_loopback_only_and_makes_no_socket_file(server: EmbeddedPostgres) -> None:
    server.start()
    connections = psutil.Process(server.pid).net_connections(kind="all")
    assert [(c.laddr.ip, c.laddr.port) for c in connections if c.status == psutil.CONN_LISTEN] == [
        ("127.0.0.1", server.port)
    ]
    assert query(server.url, "SHOW unix_socket_directories") == ""


def test_fsync_is_on_unless_told_otherwise(server: EmbeddedPostgres) -> None:
    with server:
        assert query(server.url, "SHOW fsync") == "off"
    with EmbeddedPostgres(server.data_dir) as durable:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert query(durable.url, f"SHOW {setting}") == "on"


def test_a_taken_port_is_left_to_its_owner(server: EmbeddedPostgres) -> None:
    with server:
        port = server.port
    with socket.create_server(("127.0.0.1", port)) as other:
        with server:
            assert server.port != port
            assert query(server.url, "SELECT 1") == 1
        other.settimeout(0)
        with pytest.raises(BlockingIOError):
            other.accept()


def test_a_port_taken_at_the_last_moment_costs_one_more_try(
    server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        ports = iter((taken, random.Random(1).randint(20_000, 32_000)))
        monkeypatch.setattr("reelqueue.dev.server.choose_port", lambda *_: next(ports))
        server.start()
        assert server.port != taken
        assert query(server.url, "SELECT 1") == 1


def test_two_run_side_by_side(server: EmbeddedPostgres, postgres_cluster: EmbeddedPostgres) -> None:
    server.start()
    assert server.port != postgres_cluster.port
    assert server.pid != postgres_cluster.pid
    assert query(server.url, "SHOW data_directory") != query(postgres_cluster.url, "SHOW data_directory")
    server.stop()
    assert query(postgres_cluster.url, "SELECT 1") == 1, "stopping one leaves the other alone"


def test_a_directory_in_use_is_refused_and_left_alone(server: EmbeddedPostgres) -> None:
    server.start()
    second = EmbeddedPostgres(server.data_dir, durable=False)
    for attempt in (second.start, second.destroy):
        with pytest.raises(DirectoryInUse, match=str(os.getpid())):
            attempt()
    second.stop()
    assert query(server.url, "SELECT 1") == 1


STARTER = """
import sys
from pathlib import Path
from reelqueue.dev.postgres import EmbeddedPostgres
from reelqueue.dev.supervisor import Supervisor
server = EmbeddedPostgres(Path(sys.argv[1]), durable=False, tethered=sys.argv[2] == "tethered")
server.start()
print(server.pid, flush=True)
sys.stdin.read()
"""


def start_and_kill_starter(server: EmbeddedPostgres, how: str) -> int:
    """Start the server from another process, kill that process, return the server's process id."""
    command = [sys.executable, "-c", STARTER, str(server.data_dir), how]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        starter.kill()
    return pid


def test_a_server_left_behind_is_ended_by_the_next_start(server: EmbeddedPostgres) -> None:
    left_behind = start_and_kill_starter(server, "free")
    assert not gone(left_behind)
    server.start()
    assert gone(left_behind)
    assert server.pid != left_behind
    assert query(server.url, "SELECT 1") == 1


def test_a_tethered_server_goes_with_its_starter(server: EmbeddedPostgres, eventually: Eventually) -> None:
    pid = start_and_kill_starter(server, "tethered")
    if sys.platform != "linux":
        server.start()
    eventually(lambda: gone(pid))


def test_a_stale_pid_file_that_names_a_stranger_harms_nobody(server: EmbeddedPostgres) -> None:
    server.start()
    server.kill()
    account = unprivileged_account()
    # Under the server's account: a pid that it may not signal PostgreSQL itself takes for a stranger's.
    stranger = subprocess.Popen(["sleep", "600"], user=account.uid if account else None)
    try:
        file = server._cluster / "postmaster.pid"
        lines = file.read_text().splitlines()
        file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        assert lines[7].strip() == "ready"
        assert not server.is_ready()
        server.start()
        assert query(server.url, "SELECT 1") == 1
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_first_start_cut_short_is_begun_again(server: EmbeddedPostgres) -> None:
    server.start()
    assert query(server.url, "SELECT 1") == 1
    left = {path.name for path in server.data_dir.iterdir()}
    assert left == {"cluster", "lock", "password", "port", "server.log"}


def test_too_little_room_is_said_before_anything_is_made(shelf: Path) -> None:
    server = EmbeddedPostgres(shelf / "no room", room_bytes=shutil.disk_usage(shelf).total + 1)
    with pytest.raises(DiskFull, match=r"no room for a database in .*MB free"):
        server.start()
    assert not (server.data_dir / "cluster").exists()
    server.destroy()


def test_a_cluster_of_another_version_is_named(server: EmbeddedPostgres) -> None:
    version = server._cluster / "PG_VERSION"
    version.write_text("15\n")
    with pytest.raises(ServerFailed, match="made by PostgreSQL 15, and this is 18"):
        server.start()
    version.write_text("18\n")
    server.start()


def test_a_server_that_cannot_start_shows_its_own_words(server: EmbeddedPostgres) -> None:
    configuration = server._cluster / "postgresql.conf"
    good = configuration.read_text()
    configuration.write_text(good + "no_such_setting = 1\n")
    with pytest.raises(ServerFailed, match="no_such_setting"):
        server.start()
    assert not servers_in("postgres", server._cluster)
    configuration.write_text(good)
    server.start()


def test_a_failed_initdb_leaves_nothing(shelf: Path) -> None:
    cluster = shelf / "refused" / "cluster"
    cluster.parent.mkdir(mode=0o755)
    with pytest.raises(ServerFailed, match="initdb failed"):
        make_cluster(
            cluster,
            unprivileged_account(),
            programs=postgres_server_bin(unprivileged_account()),
            user="pg_reserved",
            password="x",
            room_bytes=0,
        )
    assert not list(cluster.parent.iterdir())


def test_databases_are_created_copied_and_dropped(postgres_cluster: EmbeddedPostgres) -> None:
    name = 'odd "name" %41/?#'
    url = postgres_cluster.create_database(name)
    query(url, "CREATE TABLE kept AS SELECT 42 AS value")
    with pytest.raises(ServerFailed, match="already exists"):
        postgres_cluster.create_database(name)
    copy = postgres_cluster.create_database("copy", template=name)
    assert query(copy, "SELECT value FROM kept") == 42
    with psycopg.connect(copy):
        postgres_cluster.drop_database("copy")
    postgres_cluster.drop_database("copy")
    postgres_cluster.drop_database(name)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        query(url, "SELECT 1")


def test_a_users_pg_variables_do_not_reach_it(server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PGPORT": "5432",
        "PGDATA": "/nowhere",
        "PGOPTIONS": "-c nonsense=1",
        "PGHOST": "10.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    server.start()
    server.create_database("made")
    server.drop_database("made")


def test_a_stop_does_not_wait_for_clients(server: EmbeddedPostgres) -> None:
    server.start()
    with psycopg.connect(server.url) as client:
        server.stop()
        with pytest.raises(psycopg.OperationalError):
            client.execute("SELECT 1")
