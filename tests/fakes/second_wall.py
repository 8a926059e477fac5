"""A deliverer behind the second wall alone: what it reaches once the first is switched off.

`python -m fakes.second_wall` reads an `Order` in JSON, enters a network that is the policy and nothing else, and prints
for each URL how far the real client came. Every address that the policy lets through is answered there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any, Final

from fakes.network_namespace import Routes, enter_network
from fakes.network_policy import Rule
from reelqueue.egress import EgressClient, EgressFailed, EgressPolicy, policy, tls_context
from reelqueue.egress.addresses import Address
from reelqueue.kit.clock import SystemClock

ANSWERED: Final = "answered"
_PROTOCOLS: Final = {"TCP": socket.IPPROTO_TCP, "UDP": socket.IPPROTO_UDP}
_IP_TRANSPARENT: Final = 19
_ANSWER: Final = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class Order:
    """`rules` as plain values, the ports at which the world listens, what to call, and what names mean."""

    rules: list[dict[str, Any]]
    listening: list[int]
    urls: list[str]
    names: dict[str, list[str]]


def reached(rules: Sequence[Rule], urls: Sequence[str], *, names: dict[str, list[str]], listening: list[int]) -> Any:
    """For each URL `answered`, or the stage at which it failed. The child is waited for; its complaint is raised."""
    order = Order([plain(rule) for rule in rules], listening, list(urls), names)
    done = subprocess.run(
        [sys.executable, "-m", "fakes.second_wall"],
        input=json.dumps(dataclasses.asdict(order)),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def plain(rule: Rule) -> dict[str, Any]:
    blocks = [[str(block.network), [str(network) for network in block.excepted]] for block in rule.blocks]
    return {"blocks": blocks, "ports": rule.ports}


# --- in the child -----------------------------------------------------------------------------------------------------


def lay(rules: list[dict[str, Any]], routes: Routes) -> None:
    """The policy as routes: a table for each rule, asked for the rule's ports only."""
    for table, rule in enumerate(rules, start=100):
        for network, excepted in rule["blocks"]:
            routes.lead_here(ip_network(network), table=table)
            for one in excepted:
                routes.leave_out(ip_network(one), table=table)
        for protocol, port in rule["ports"]:
            for family in (socket.AF_INET, socket.AF_INET6):
                routes.rule(family, table=table, protocol=_PROTOCOLS[protocol], port=port)


def answer(port: int) -> None:
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=16)
    listener.setsockopt(socket.IPPROTO_IP, _IP_TRANSPARENT, 1)  # it speaks from addresses that are not ours

    def serve() -> None:
        while True:
            conn, _ = listener.accept()
            with contextlib.suppress(OSError), conn:
                conn.settimeout(5)
                conn.recv(65536)
                conn.sendall(_ANSWER)

    threading.Thread(target=serve, daemon=True).start()


class Names:
    def __init__(self, names: dict[str, list[str]]) -> None:
        self._names = names

    def resolve(self, host: str, *, timeout_s: float) -> tuple[Address, ...]:
        return tuple(map(ip_address, self._names[host]))


def main() -> int:
    order = Order(**json.load(sys.stdin))
    lay(order.rules, enter_network())
    for port in order.listening:
        answer(port)
    # The first wall, switched off: every address is public, every port is one of the web's.
    policy.is_public = lambda _address: True
    open_to_all = EgressPolicy(ports=frozenset(range(1, 65536)))
    client = EgressClient(open_to_all, Names(order.names), ssl_context=tls_context(), clock=SystemClock())
    outcomes = {}
    for url in order.urls:
        try:
            client.post(url, headers={}, body=b"{}", deadline_s=5, max_response_bytes=1024)
            outcomes[url] = ANSWERED
        except EgressFailed as failed:
            outcomes[url] = failed.stage
    json.dump(outcomes, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
