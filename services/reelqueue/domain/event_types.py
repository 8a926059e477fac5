"""Every type of event that a consumer can get, by name.

A job's and NemoVideo's stand with what they are about, in `jobs` and `breakers`; those of endpoints here.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from reelqueue.domain.breakers import UpstreamEventType
from reelqueue.domain.jobs import EventType
from reelqueue.errors import ValidationFailed


class EndpointEventType(enum.StrEnum):
    """What can happen to a webhook endpoint. The endpoint itself does not get these."""

    FAILING = "endpoint.failing"
    """It has been failing for 50, 70 or 90 percent of the time after which it is disabled."""
    DISABLED = "endpoint.disabled"
    """It gets nothing until its owner enables it."""


AnyEventType: TypeAlias = EventType | EndpointEventType | UpstreamEventType

_ALL: Final[tuple[AnyEventType, ...]] = (*EventType, *EndpointEventType, *UpstreamEventType)
EVENT_TYPES: Final[Mapping[str, AnyEventType]] = MappingProxyType({kind.value: kind for kind in _ALL})
"""All of them, by name: first those of a job, which have `data.job` and `data.seq`."""


def event_type(name: str) -> AnyEventType:
    """The type of that name. Raises `ValidationFailed` for one that there is not."""
    try:
        return EVENT_TYPES[name]
    except KeyError:
        raise ValidationFailed("There is no such event type.", pointer="/type") from None


def family_of(kind: AnyEventType) -> str:
    """The pattern that names the event and its kin, such as `job.*`."""
    return kind.value.partition(".")[0] + ".*"


FAMILIES: Final = tuple(dict.fromkeys(family_of(kind) for kind in EVENT_TYPES.values()))
