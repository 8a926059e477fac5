from __future__ import annotations

import socket
import threading
from ipaddress import ip_address

import pytest

from reelqueue.egress.errors import LookupFailed, NameNotFound
from reelqueue.egress.resolver import SystemResolver

pytestmark = pytest.mark.unit


def entry(address: str):
    return (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))


def test_every_answer_once_in_order_and_no_search_list():
    asked = []

    def lookup(host, port, **kwargs):
        asked.append((host, port))
        return [entry("93.184.216.34"), entry("2606:4700::1111"), entry("93.184.216.34"), entry("fe80::1%2")]

    found = SystemResolver(lookup=lookup).resolve("media.example", timeout_s=5)
    assert found == tuple(map(ip_address, ("93.184.216.34", "2606:4700::1111", "fe80::1%2")))
    assert asked == [(b"media.example.", None)]


def test_localhost_is_not_asked_of_anyone():
    def lookup(*_args, **_kwargs):
        raise AssertionError

    assert SystemResolver(lookup=lookup).resolve("localhost", timeout_s=5) == (ip_address("127.0.0.1"),)


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (socket.gaierror(socket.EAI_NONAME, "x"), NameNotFound),
        (socket.gaierror(socket.EAI_AGAIN, "x"), LookupFailed),
        (socket.gaierror(socket.EAI_FAIL, "x"), LookupFailed),
        (OSError(24, "too many files"), LookupFailed),
        (UnicodeError("x"), LookupFailed),
    ],
)
def test_a_name_that_is_not_there_is_told_from_a_resolver_that_is_not(error, raised):
    def lookup(*_args, **_kwargs):
        raise error

    with pytest.raises(raised):
        SystemResolver(lookup=lookup).resolve("media.example", timeout_s=5)


def test_a_lookup_that_hangs_is_given_up_and_a_full_resolver_says_so():
    let_go, started = threading.Event(), threading.Semaphore(0)

    def lookup(host, *_args, **_kwargs):
        started.release()
        let_go.wait(10)
        return [entry("93.184.216.34")]

    resolver = SystemResolver(max_in_flight=2, lookup=lookup)
    for _ in range(2):
        with pytest.raises(LookupFailed, match="in time"):
            resolver.resolve("slow.example", timeout_s=0.02)
    with pytest.raises(LookupFailed, match="at once"):
        resolver.resolve("third.example", timeout_s=0.02)
    assert started.acquire(timeout=5)
    assert started.acquire(timeout=5)
    assert not started.acquire(blocking=False)
    let_go.set()
    assert resolver.resolve("slow.example", timeout_s=5) == (ip_address("93.184.216.34"),)
