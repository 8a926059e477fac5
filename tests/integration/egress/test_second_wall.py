"""The network's wall, by itself: the classifier is switched off, and the real client dials in a network of its own.

The routes of that network are made from `deploy/network-policy.yaml`. What they let through is answered, so that a
forbidden address that is not shut out is one that connects.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import errno
import re
import socket
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from fakes.network_namespace import NoNamespace, enter_network
from fakes.network_policy import Block, Rule, calls
from fakes.second_wall import ANSWERED, reached
from reelqueue.egress.addresses import NOT_PUBLIC_V4, NOT_PUBLIC_V6, PUBLIC_V6, Address, Network, is_public, unwrapped
from reelqueue.egress.policy import WEB_PORTS

CASES: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[2] / "data" / "attacks" / "ssrf.yaml").read_text(encoding="utf-8")
)
ROLE = "worker-webhook"
LISTENING = [*sorted(WEB_PORTS), 22, 5432, 6379, 8000]


def literal(case: dict[str, Any]) -> Address | None:
    """The address that a URL means, also in spellings that only the C library understands."""
    found = re.match(r"https?://(?:\[([^\]]+)\]|([^/:]+))", case["input"].get("url", ""))
    text = found and (found[1] or found[2])
    if not text:
        return None
    for read in (lambda host: ip_address(host.partition("%")[0]), lambda host: ip_address(socket.inet_aton(host))):
        with contextlib.suppress(ValueError, OSError):
            return unwrapped(read(text))
    return None


def of_corpus() -> set[Address]:
    return {address for case in CASES if (address := literal(case)) is not None}


def beside(network: Network) -> set[Address]:
    """The last address before a range, its two ends, the first one after it."""
    found = set()
    for number in (int(network[0]) - 1, int(network[0]), int(network[-1]), int(network[-1]) + 1):
        with contextlib.suppress(ValueError):
            found.add(type(network[0])(number))
    return found


EDGES = {edge for network in (*NOT_PUBLIC_V4, PUBLIC_V6, *NOT_PUBLIC_V6) for edge in beside(network)}
EVERY = sorted(EDGES | of_corpus(), key=lambda one: (one.version, int(one)))
FORBIDDEN = [address for address in EVERY if not is_public(address)]
PUBLIC = [address for address in EVERY if is_public(address)]


# What the names of the corpus lead to on a bad day, and one that is well.
NAMES = {
    "metadata.attacker.example": ["169.254.169.254"],
    "inside.attacker.example": ["10.97.3.22", "fd97:3::22"],
    "mapped.attacker.example": ["::ffff:10.0.0.5"],
    "nat64.attacker.example": ["64:ff9b::a9fe:a9fe"],
    "receiver.example": ["93.184.216.34"],
}
# Linux itself connects to none of these: groups, broadcast, link-local without an interface, and `this host`.
NOBODY = [ip_network(text) for text in ("0.0.0.0/32", "224.0.0.0/4", "255.255.255.255/32", "fe80::/10", "ff00::/8")]


def url(host: object, port: int = 80) -> str:
    return f"http://[{host}]:{port}/" if ":" in str(host) else f"http://{host}:{port}/"


POD_URLS = {
    url("10.97.3.20", 5432): ANSWERED,
    url("10.97.3.21", 6379): ANSWERED,
    url("10.97.3.20", 22): "connect",
    url("10.97.3.20", 80): "connect",
    url("10.97.3.22", 5432): "connect",
    url("10.97.3.22", 8080): "connect",
}
PORT_URLS = {url("93.184.216.34", port): ANSWERED if port in WEB_PORTS else "connect" for port in LISTENING}


def run(rules: tuple[Rule, ...], urls: list[str]) -> dict[str, str]:
    return reached(rules, urls, names=NAMES, listening=LISTENING)


@pytest.fixture(scope="module")
def outcomes() -> dict[str, str]:
    """How far a deliverer comes, by URL."""
    return run(calls(ROLE), [*map(url, EVERY), *map(url, NAMES), *POD_URLS, *PORT_URLS])


def test_no_forbidden_address_is_reached(outcomes):
    assert len(FORBIDDEN) >= 90
    assert {address: outcomes[url(address)] for address in FORBIDDEN} == dict.fromkeys(FORBIDDEN, "connect")


def test_every_public_edge_is(outcomes):
    assert len(PUBLIC) >= 45
    assert {address: outcomes[url(address)] for address in PUBLIC} == dict.fromkeys(PUBLIC, ANSWERED)


def test_a_name_leads_no_further_than_its_address(outcomes):
    assert {name: outcomes[url(name)] for name in NAMES} == {
        name: ANSWERED if name == "receiver.example" else "connect" for name in NAMES
    }


def test_the_database_and_the_broker_are_reached_at_their_ports_and_none_of_their_neighbours(outcomes):
    assert {one: outcomes[one] for one in POD_URLS} == POD_URLS


def test_the_public_is_reached_at_the_ports_of_the_web_only(outcomes):
    assert {one: outcomes[one] for one in PORT_URLS} == PORT_URLS


def test_without_the_excepted_ranges_all_would_be_reached():
    """So what stops them above is the policy, and neither the client nor a network that answers nobody."""
    open_rules = tuple(dataclasses.replace(rule, blocks=tuple(map(opened, rule.blocks))) for rule in calls(ROLE))
    outcomes = run(open_rules, list(map(url, FORBIDDEN)))
    stopped = [address for address in FORBIDDEN if outcomes[url(address)] != ANSWERED]
    assert stopped == [address for address in FORBIDDEN if any(address in network for network in NOBODY)]
    assert len(stopped) < 12


def opened(block: Block) -> Block:
    return Block(ip_network("::/0") if block.excepted and block.network.version == 6 else block.network)


def test_who_dials_nobody_reaches_nobody():
    outcomes = run(calls("dispatcher"), [url(PUBLIC[0]), url(PUBLIC[-1]), url("10.97.3.20", 5432)])
    assert list(outcomes.values()) == ["connect", "connect", ANSWERED]


def test_a_machine_that_lets_us_make_no_network_says_so(monkeypatch):
    class Refusing:
        def __init__(self, *_: Any, **__: Any) -> None: ...

        def unshare(self, _flags: int) -> int:
            ctypes.set_errno(errno.EPERM)
            return -1

    monkeypatch.setattr(ctypes, "CDLL", Refusing)
    with pytest.raises(NoNamespace, match=r"EPERM.* needs root with CAP_SYS_ADMIN, or user namespaces"):
        enter_network()
