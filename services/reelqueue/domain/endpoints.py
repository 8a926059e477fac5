"""Where a tenant wants to hear of its jobs."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from reelqueue.domain.subscriptions import PATTERNS
from reelqueue.errors import ValidationFailed

EndpointState = Literal["enabled", "disabled"]

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - what Standard Webhooks puts before every secret
SECRET_BYTES: Final = 32
"""Standard Webhooks asks for 24 to 64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A URL that gets the events named by `event_types`. A disabled one gets nothing until its owner enables it."""

    id: str
    tenant_id: str
    url: str = field(repr=False)
    event_types: tuple[str, ...]
    description: str | None
    state: EndpointState
    created_at: datetime
    disabled_reason: str | None = None


def webhook_secret(random: bytes) -> str:
    """A signing secret as receivers paste it into a Standard Webhooks library, from 32 random bytes."""
    if len(random) != SECRET_BYTES:
        raise ValueError(f"a webhook secret is made of {SECRET_BYTES} random bytes")
    return SECRET_PREFIX + base64.b64encode(random).decode()


def known_event_types(event_types: Iterable[str]) -> tuple[str, ...]:
    """The patterns, each once. Raises `ValidationFailed` for none at all or for one that we do not know."""
    chosen = tuple(dict.fromkeys(event_types))
    if not chosen:
        raise ValidationFailed("Name at least one event type.", pointer="/event_types")
    for position, pattern in enumerate(chosen):
        if pattern not in PATTERNS:
            raise ValidationFailed("There is no such event type.", pointer=f"/event_types/{position}")
    return chosen
