"""The egress rule once more, for the network to keep: a Kubernetes policy, and lines for a Docker host's firewall."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from ipaddress import IPv4Network
from typing import Final

from reelqueue.egress.addresses import NOT_PUBLIC_V4, NOT_PUBLIC_V6, PUBLIC_V6, Network
from reelqueue.egress.policy import WEB_PORTS

_EVERY_V4: Final = IPv4Network("0.0.0.0/0")

_INSIDE: Final = """\
# Made by `make docs` from `services/reelqueue/egress/`. Do not edit: policies add up, so what your cluster needs beside
# these goes into one of your own. See "What the processes may call" in docs/operations.md.
#
# Pods are known by two labels: `app.kubernetes.io/name: reelqueue`, and `app.kubernetes.io/component` with the name
# that the process has in docker-compose.yml. A network plugin has to enforce policies; not every one does.

# Nobody calls our pods, and they call the cluster's DNS, Postgres and the broker.
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: reelqueue
spec:
  podSelector:
    matchLabels:
      app.kubernetes.io/name: reelqueue
  policyTypes: [Ingress, Egress]
  ingress: []
  egress:
    - to:
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: kube-system
          podSelector:
            matchLabels:
              k8s-app: kube-dns
      ports:
        - {protocol: UDP, port: 53}
        - {protocol: TCP, port: 53}
    - to:
        - podSelector:
            matchLabels:
              app.kubernetes.io/name: postgresql
      ports:
        - {protocol: TCP, port: 5432}
    - to:
        - podSelector:
            matchLabels:
              app.kubernetes.io/name: valkey
        - podSelector:
            matchLabels:
              app.kubernetes.io/name: redis
      ports:
        - {protocol: TCP, port: 6379}
---
# The API is called from anywhere in the cluster.
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: reelqueue-api
spec:
  podSelector:
    matchLabels:
      app.kubernetes.io/name: reelqueue
      app.kubernetes.io/component: gateway
  policyTypes: [Ingress]
  ingress:
    - ports:
        - {protocol: TCP, port: 8000}
---
# Inputs, NemoVideo, results and webhooks: the public internet, and nothing that is not.
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: reelqueue-world
spec:
  podSelector:
    matchLabels:
      app.kubernetes.io/name: reelqueue
    matchExpressions:
      - key: app.kubernetes.io/component
        operator: In
        values: [gateway, worker-stream, worker-step, worker-webhook]
  policyTypes: [Egress]
  egress:
    - to:
"""

_FIREWALL: Final = """\
```bash
outside=172.31.250.0/24     # REELQUEUE_SUBNET
iptables -N REELQUEUE
iptables -A REELQUEUE -p udp --dport 53 -j RETURN       # a name server may be in a private network
iptables -A REELQUEUE -d "$outside" -j RETURN
for range in \\
{ranges}
do iptables -A REELQUEUE -d "$range" -j REJECT; done
iptables -I DOCKER-USER -s "$outside" -m conntrack --ctstate NEW -j REELQUEUE
iptables -I INPUT -s "$outside" -p tcp -m conntrack --ctstate NEW -j REJECT     # the machine itself
```
"""


def network_policy() -> str:
    """The whole file."""
    blocks = _block(_EVERY_V4, NOT_PUBLIC_V4) + _block(PUBLIC_V6, NOT_PUBLIC_V6)
    ports = "".join(f"        - {{protocol: TCP, port: {port}}}\n" for port in sorted(WEB_PORTS))
    return f"{_INSIDE}{blocks}      ports:\n{ports}"


def firewall_rules() -> str:
    """For `docs/operations.md`. IPv4, since the compose file's networks have nothing else."""
    ranges = textwrap.fill(" ".join(map(str, NOT_PUBLIC_V4)), 110, initial_indent="  ", subsequent_indent="  ")
    return _FIREWALL.format(ranges=ranges.replace("\n", " \\\n"))


def _block(network: Network, excepted: Iterable[Network]) -> str:
    head = f'        - ipBlock:\n            cidr: "{network}"\n            except:\n'
    return head + "".join(f'              - "{block}"\n' for block in excepted)
