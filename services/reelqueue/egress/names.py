"""Host names that never mean a place on the public internet, or that mean a cloud's metadata service.

The address check would refuse most of these as well. Refusing by name costs no lookup and does not depend on what the
local resolver makes of them.
"""

from __future__ import annotations

from typing import Final

LOCALHOST: Final = "localhost"

_RESERVED_SUFFIXES: Final = (
    "localhost",
    "local",  # multicast DNS, and Kubernetes' cluster.local
    "internal",  # reserved for private use; clouds' metadata names; Docker's host names
    "svc",  # Kubernetes, short form
    "lan",
    "corp",
    "home",
    "home.arpa",
    "intranet",
    "private",
    "localdomain",
    "onion",
    "arpa",  # reverse zones and protocol names
)

_METADATA_NAMES: Final = (
    "api.metadata.cloud.ibm.com",
    "metadata.amazonaws.com",
    "metadata.goog",
    "metadata.oraclecloud.com",
    "metadata.packet.net",
    "metadata.platformequinix.com",
    "metadata.tencentyun.com",
)


def is_reserved(host: str) -> bool:
    """Whether a canonical name is refused without a lookup: one label, a reserved suffix, or a metadata service."""
    if "." not in host:
        return True
    return any(host == name or host.endswith("." + name) for name in (*_RESERVED_SUFFIXES, *_METADATA_NAMES))
