"""The embedded Valkey: its life, its password, its settings."""

from __future__ import annotations

import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from reelqueue.dev.errors import DirectoryInUse
from reelqueue.dev.leftovers import servers_in
from reelqueue.dev.valkey import EmbeddedValkey


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    server = EmbeddedValkey(tmp_path / "a directory, with spaces" / "valkey", tethered=True)
    yield server
    server.stop(immediate=True)


@pytest.fixture
def client(server: EmbeddedValkey) -> Iterator[redis.Redis]:
    server.start()
    with redis.Redis.from_url(server.url, decode_responses=True) as client:
        yield client


def test_it_answers_and_keeps_its_url_over_a_restart(server: EmbeddedValkey, client: redis.Redis) -> None:
    assert client.ping()
    url = server.url
    server.stop()
    assert not servers_in("valkey-server", server.data_dir)
    server.start()
    assert server.url == url
    assert client.ping()


def test_it_keeps_nothing_on_disk_and_evicts_nothing(server: EmbeddedValkey, client: redis.Redis) -> None:
    client.set("here", "today")
    assert client.config_get("save") == {"save": ""}
    assert client.config_get("appendonly") == {"appendonly": "no"}
    assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    server.stop()
    assert {path.name for path in server.data_dir.iterdir()} == {
        "lock",
        "port",
        "password",
        "valkey.conf",
        "server.log",
    }
    server.start()
    assert client.get("here") is None


def test_a_password_is_asked_for_and_kept_private(server: EmbeddedValkey, client: redis.Redis) -> None:
    with (
        redis.Redis(host="127.0.0.1", port=server.port, retry=Retry(NoBackoff(), 0)) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()
    password = server.url.split(":")[2].partition("@")[0]
    assert len(password) >= 24
    assert password not in " ".join(psutil.Process(server.pid).cmdline())
    assert password not in repr(server)
    assert password not in repr(server.role())
    for name in ("password", "valkey.conf"):
        assert stat.S_IMODE((server.data_dir / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(server.data_dir.stat().st_mode) == 0o700


def test_it_listens_on_loopback_only(server: EmbeddedValkey, client: redis.Redis) -> None:
    listening = [c.laddr for c in psutil.Process(server.pid).net_connections() if c.status == psutil.CONN_LISTEN]
    assert [(address.ip, address.port) for address in listening] == [("127.0.0.1", server.port)]


def test_it_starts_again_after_a_crash(server: EmbeddedValkey, client: redis.Redis) -> None:
    before = server.pid
    server.kill()
    assert not server.is_ready()
    server.start()
    assert server.pid != before
    assert client.ping()


def test_a_taken_port_is_left_to_its_owner(server: EmbeddedValkey) -> None:
    with server:
        port = server.port
    with socket.create_server(("127.0.0.1", port)), server:
        assert server.port != port
        assert server.is_ready()


def test_another_server_on_our_port_is_not_taken_for_ours(server: EmbeddedValkey, valkey: EmbeddedValkey) -> None:
    with server:
        pass
    server._home.remember_port(valkey.port)
    assert not server.is_ready()


def test_two_run_side_by_side_and_one_directory_has_one_owner(
    server: EmbeddedValkey, client: redis.Redis, valkey: EmbeddedValkey
) -> None:
    assert server.pid != valkey.pid
    client.set("mine", "1")
    with redis.Redis.from_url(valkey.url) as other:
        assert other.get("mine") is None
    with pytest.raises(DirectoryInUse):
        EmbeddedValkey(server.data_dir).start()
    assert client.get("mine") == "1"


def test_destroy_leaves_nothing(server: EmbeddedValkey, client: redis.Redis) -> None:
    pid = server.pid
    server.destroy()
    assert not psutil.pid_exists(pid)
    assert not server.data_dir.exists()


def test_the_fixture_gives_an_empty_server(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("left", "behind")


def test_the_fixture_empties_it_between_tests(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
