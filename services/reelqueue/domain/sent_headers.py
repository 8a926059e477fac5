"""What is kept of the headers that went out with a webhook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

MASK: Final = "***"
OURS: Final = frozenset({"content-type", "user-agent", "webhook-id", "webhook-timestamp", "webhook-signature"})
"""Headers whose values we choose. A signature tells nothing of its secret."""


def kept_headers(sent: Mapping[str, str]) -> dict[str, str]:
    """The headers as they are kept and shown: the value of any that is not ours may be a secret, and is masked."""
    return {name: value if name.lower() in OURS else MASK for name, value in sent.items()}
