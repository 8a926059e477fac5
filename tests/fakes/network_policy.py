"""`deploy/network-policy.yaml`, read as a cluster reads it: what a pod of a role may call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Final

import yaml

from reelqueue.egress.addresses import Address, Network

FILE: Final = Path(__file__).parents[2] / "deploy" / "network-policy.yaml"
NAME: Final = "app.kubernetes.io/name"
COMPONENT: Final = "app.kubernetes.io/component"

PODS: Final[Mapping[str, Mapping[str, str]]] = {
    "10.97.0.10": {"k8s-app": "kube-dns"},
    "10.97.3.20": {NAME: "postgresql"},
    "10.97.3.21": {NAME: "valkey"},
    "10.97.3.22": {NAME: "somebody-else"},
}
"""A small cluster, by address."""


@dataclass(frozen=True)
class Block:
    network: Network
    excepted: tuple[Network, ...] = ()

    def holds(self, address: Address) -> bool:
        return address in self.network and not any(address in network for network in self.excepted)


@dataclass(frozen=True)
class Rule:
    """Any of the blocks, at any of the ports."""

    blocks: tuple[Block, ...]
    ports: tuple[tuple[str, int], ...]

    def permits(self, address: str, port: int) -> bool:
        return ("TCP", port) in self.ports and any(block.holds(ip_address(address)) for block in self.blocks)


@cache
def policies() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(FILE.read_text(encoding="utf-8")))


def calls(role: str) -> tuple[Rule, ...]:
    """What a pod of the role may call: the sum of all policies that select it."""
    labels = {NAME: "reelqueue", COMPONENT: role}
    chosen = [one["spec"] for one in policies() if selects(one["spec"]["podSelector"], labels)]
    assert any("Egress" in spec["policyTypes"] for spec in chosen), "a pod that no policy selects may call anybody"
    return tuple(_rule(rule) for spec in chosen for rule in spec.get("egress", ()))


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    for wanted in selector.get("matchExpressions", ()):
        assert wanted["operator"] == "In"
        if labels.get(wanted["key"]) not in wanted["values"]:
            return False
    return selector.get("matchLabels", {}).items() <= labels.items()


def _rule(rule: Mapping[str, Any]) -> Rule:
    blocks: list[Block] = []
    for peer in rule["to"]:
        if "ipBlock" in peer:
            block = peer["ipBlock"]
            blocks.append(Block(ip_network(block["cidr"]), tuple(map(ip_network, block.get("except", ())))))
        else:
            pods = [address for address, labels in PODS.items() if selects(peer["podSelector"], labels)]
            blocks += [Block(ip_network(address)) for address in pods]
    return Rule(tuple(blocks), tuple((port["protocol"], port["port"]) for port in rule["ports"]))
