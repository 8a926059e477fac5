from __future__ import annotations

import dataclasses
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.containers import ROOT, compose, resolved
from fakes.network_policy import COMPONENT, NAME, Rule, calls, policies, selects
from reelqueue.egress.addresses import NOT_PUBLIC_V4, NOT_PUBLIC_V6, is_public
from reelqueue.egress.policy import WEB_PORTS

SERVICES: dict[str, Any] = compose()["services"]
OURS = [
    name for name, one in SERVICES.items() if one.get("image", "").startswith("${REELQUEUE_IMAGE") and name != "trial"
]
DIALLERS = [name for name in OURS if "outside" in SERVICES[name]["networks"]]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
WORLD = next(rule for rule in calls("worker-webhook") if any(block.excepted for block in rule.blocks))


def permitted(role: str, address: str, port: int) -> bool:
    return any(rule.permits(address, port) for rule in calls(role))


# --- the form ---------------------------------------------------------------------------------------------------------

FIELDS = {
    "": {"apiVersion", "kind", "metadata", "spec"},
    "metadata": {"name"},
    "spec": {"podSelector", "policyTypes", "ingress", "egress"},
    "podSelector": {"matchLabels", "matchExpressions"},
    "namespaceSelector": {"matchLabels"},
    "egress": {"to", "ports"},
    "ingress": {"ports"},
    "to": {"ipBlock", "podSelector", "namespaceSelector"},
    "ipBlock": {"cidr", "except"},
    "ports": {"protocol", "port"},
    "matchExpressions": {"key", "operator", "values"},
}


def unknown(value: Any, place: str = "") -> list[str]:
    if isinstance(value, list):
        return [found for one in value for found in unknown(one, place)]
    if not isinstance(value, dict) or place == "matchLabels":
        return []
    strange = [f"{place}.{name}" for name in value if name not in FIELDS[place]]
    return strange + [found for name, one in value.items() if name in FIELDS[place] for found in unknown(one, name)]


def test_the_file_is_policies_and_holds_no_word_that_they_do_not_know():
    assert {(one["apiVersion"], one["kind"]) for one in policies()} == {("networking.k8s.io/v1", "NetworkPolicy")}
    assert len({one["metadata"]["name"] for one in policies()}) == len(policies())
    assert unknown(policies()) == []


def test_a_policy_names_the_directions_that_it_has_rules_for():
    for one in policies():
        spec = one["spec"]
        assert spec["policyTypes"] == [kind for kind in ("Ingress", "Egress") if kind.lower() in spec]


def test_what_is_excepted_lies_inside_as_a_cluster_demands():
    for block in WORLD.blocks:
        for excepted in block.excepted:
            assert excepted != block.network
            assert excepted.subnet_of(block.network)


def test_no_rule_is_without_a_peer_or_a_port():
    """Such a rule would mean all of them."""
    for role in OURS:
        for rule in calls(role):
            assert rule.blocks
            assert rule.ports


# --- who may call whom ------------------------------------------------------------------------------------------------


def test_those_who_reach_the_world_are_those_of_the_compose_file():
    assert set(DIALLERS) == {"gateway", "worker-stream", "worker-step", "worker-webhook"}
    assert [role for role in OURS if permitted(role, "8.8.8.8", 443)] == DIALLERS


@pytest.mark.parametrize("role", OURS)
def test_every_role_reaches_the_database_the_broker_and_the_names_and_none_of_their_neighbours(role: str):
    assert permitted(role, "10.97.3.20", 5432)
    assert permitted(role, "10.97.3.21", 6379)
    assert permitted(role, "10.97.0.10", 53)
    for address in ("10.97.3.20", "10.97.3.21", "10.97.3.22", "10.97.0.10", "10.97.0.1"):
        for port in (22, 80, 443, 8080, 8443):
            assert not permitted(role, address, port), (address, port)


def test_only_the_gateway_is_called():
    called = {role: ports_open(role) for role in OURS}
    assert called == {role: [8000] if role == "gateway" else [] for role in OURS}


def ports_open(role: str) -> list[int]:
    labels = {NAME: "reelqueue", COMPONENT: role}
    specs = [one["spec"] for one in policies() if selects(one["spec"]["podSelector"], labels)]
    assert any("Ingress" in spec["policyTypes"] for spec in specs)
    return [port["port"] for spec in specs for rule in spec.get("ingress", ()) for port in rule["ports"]]


# --- the two walls are one rule ---------------------------------------------------------------------------------------


@given(st.ip_addresses())
def test_the_network_lets_through_what_the_classifier_calls_public(address: Any):
    assert WORLD.permits(str(address), 443) == (is_public(address) and getattr(address, "ipv4_mapped", None) is None)


@pytest.mark.parametrize("excepted", [*NOT_PUBLIC_V4, *NOT_PUBLIC_V6], ids=str)
def test_both_ends_of_every_range_are_shut_and_every_range_is_needed(excepted: Any):
    ends = [str(excepted[0]), str(excepted[-1])]
    assert [WORLD.permits(end, 443) for end in ends] == [False, False]
    assert [without(excepted).permits(end, 443) for end in ends] == [True, True]


def without(excepted: Any) -> Rule:
    kept = [tuple(one for one in block.excepted if one != excepted) for block in WORLD.blocks]
    blocks = [dataclasses.replace(block, excepted=left) for block, left in zip(WORLD.blocks, kept, strict=True)]
    return dataclasses.replace(WORLD, blocks=tuple(blocks))


def test_the_ports_are_those_of_the_egress_rule():
    assert WORLD.ports == tuple(("TCP", port) for port in sorted(WEB_PORTS))


def test_the_whole_of_what_the_classifier_calls_public_is_one_block_of_each_kind():
    assert [str(block.network) for block in WORLD.blocks] == ["0.0.0.0/0", "2000::/3"]


# --- the machine's firewall -------------------------------------------------------------------------------------------


def test_the_lines_for_a_docker_host_shut_every_range_and_come_after_what_they_let_through():
    """What the page says to `iptables`, when a shell runs it."""
    script = OPERATIONS.partition("<!-- begin: firewall")[2].partition("```bash\n")[2].partition("```")[0]
    run = subprocess.run(
        ["sh", "-euc", 'iptables() { echo "$@"; }\n' + script], check=True, capture_output=True, text=True, timeout=20
    )
    (subnet,) = compose()["networks"]["outside"]["ipam"]["config"]
    outside = resolved(subnet["subnet"], {})
    new = f"-s {outside} {{}}-m conntrack --ctstate NEW -j"
    assert run.stdout.splitlines() == [
        "-N REELQUEUE",
        "-A REELQUEUE -p udp --dport 53 -j RETURN",
        f"-A REELQUEUE -d {outside} -j RETURN",
        *(f"-A REELQUEUE -d {network} -j REJECT" for network in NOT_PUBLIC_V4),
        f"-I DOCKER-USER {new.format('')} REELQUEUE",
        f"-I INPUT {new.format('-p tcp ')} REJECT",
    ]
