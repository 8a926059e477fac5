"""Where a tenant wants to hear of its jobs."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from reelqueue.domain.subscriptions import PATTERNS
from reelqueue.errors import ValidationFailed

EndpointState = Literal["enabled", "disabled"]
Scheme = Literal["v1", "v1a"]

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - what Standard Webhooks puts before every secret
SECRET_BYTES: Final = 32
"""Standard Webhooks asks for 24 to 64."""

KEEP_OLD_S: Final = 86_400
"""How long a replaced secret goes on signing, unless its owner says otherwise: time to roll out the new one."""
MOST_OLD_SECRETS: Final = 5
"""As many replaced secrets may sign beside the one in use. More would make the signature header grow without need."""

MOST_ENDPOINTS: Final = 100
"""Of one tenant. Each gets every event that it wants: a thousand on one host would be a weapon."""

BY_OWNER: Final = "owner"
"""The `disabled_reason` of an endpoint that its owner disabled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OldSecret:
    """A secret, or a signing key, that was replaced and signs beside the new one until `expires_at`."""

    scheme: Scheme
    public_key: str | None
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointOptions:
    """How an endpoint is served, beside where it is and what it gets.

    `filter`: metadata that a job must have for its events to be sent; events of no job pass it. `headers` go out with
    every try. `rate_per_minute` and `max_in_flight` bound what the receiver gets; `None` is our choice. `asymmetric`:
    messages are signed by scheme `v1a` too.
    """

    filter: Mapping[str, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    rate_per_minute: int | None = None
    max_in_flight: int | None = None
    asymmetric: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A URL that gets the events named by `event_types`. A disabled one gets nothing until its owner enables it.

    The values of its headers are not shown: they may be secrets of the receiver. `public_key` verifies scheme `v1a`;
    `None`: it is not in use.
    """

    id: str
    tenant_id: str
    url: str = field(repr=False)
    event_types: tuple[str, ...]
    filter: Mapping[str, str] | None = None
    description: str | None
    header_names: tuple[str, ...] = ()
    rate_per_minute: int | None = None
    max_in_flight: int | None = None
    public_key: str | None = None
    old_secrets: tuple[OldSecret, ...] = ()
    state: EndpointState
    created_at: datetime
    disabled_reason: str | None = None

    @property
    def signing(self) -> tuple[Scheme, ...]:
        """The schemes that its messages are signed by."""
        return ("v1",) if self.public_key is None else ("v1", "v1a")


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
