"""What the routes of webhook endpoints and secrets take."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field

from reelqueue.domain.custom_headers import MOST_HEADERS
from reelqueue.domain.endpoints import KEEP_OLD_S, EndpointOptions, EndpointState, Scheme
from reelqueue.domain.event_types import EVENT_TYPES
from reelqueue.domain.subscriptions import DEFAULT_EVENT_TYPES, PATTERNS
from reelqueue.gateway.schemas.job_request import Label, Metadata, Url
from reelqueue.gateway.schemas.strict import StrictModel, broken_rule

MOST_PER_MINUTE: Final = 60_000
MOST_AT_ONCE: Final = 100
LONGEST_KEPT_S: Final = 7 * 86_400
_SYMMETRIC: Final[tuple[Scheme, ...]] = ("v1",)


def _not_null(value: Any) -> Any:
    if value is None:
        raise broken_rule("This cannot be null; leave it out to keep what it is.")
    return value


_GIVEN: Final = BeforeValidator(_not_null)


def _schemes(value: list[str]) -> list[str]:
    if "v1" not in value or len(set(value)) != len(value):
        raise broken_rule('This takes ["v1"] or ["v1", "v1a"].')
    return value


EventTypes = Annotated[
    list[str],
    Field(
        min_length=1,
        max_length=50,
        description=f"Any of {', '.join(f'`{pattern}`' for pattern in sorted(PATTERNS))}.",
    ),
]
Headers = Annotated[
    dict[str, str],
    Field(
        max_length=MOST_HEADERS,
        description="Yours, sent with every try. Their values are sealed and never shown. Not those that we write, not "
        "those that end at the next hop, nor those that say who calls.",
        examples=[{"Authorization": "Bearer …"}],
        json_schema_extra={"writeOnly": True},
    ),
]
Rate = Annotated[int, Field(ge=1, le=MOST_PER_MINUTE, description="Most tries a minute; null: no limit of yours.")]
Concurrency = Annotated[int, Field(ge=1, le=MOST_AT_ONCE, description="Most tries at a time; null: our choice.")]
Signing = Annotated[
    list[Scheme],
    AfterValidator(_schemes),
    Field(
        min_length=1,
        max_length=2,
        description="`v1` is HMAC-SHA-256. `v1a` beside it is ed25519: `public_key` verifies it.",
    ),
]


class EndpointFilter(StrictModel):
    """Which jobs' events are sent: those of jobs that have all of this `metadata`. Events of no job are not held."""

    metadata: Annotated[Metadata, Field(min_length=1)] = Field(examples=[{"env": "production"}])


class EndpointRequest(StrictModel):
    """Where to send events. The secret is ours to choose, and is in the answer, once."""

    url: Url = Field(examples=["https://example.com/hooks/reelqueue"])
    event_types: EventTypes = Field(default_factory=lambda: [str(kind) for kind in DEFAULT_EVENT_TYPES])
    filter: EndpointFilter | None = None
    description: Label | None = None
    headers: Headers = Field(default_factory=dict)
    rate_per_minute: Rate | None = None
    max_in_flight: Concurrency | None = None
    signing: Signing = Field(default_factory=lambda: [*_SYMMETRIC])

    def options(self) -> EndpointOptions:
        """What is beside URL, event types and description."""
        return EndpointOptions(
            filter=None if self.filter is None else self.filter.metadata,
            headers=self.headers,
            rate_per_minute=self.rate_per_minute,
            max_in_flight=self.max_in_flight,
            asymmetric="v1a" in self.signing,
        )


class EndpointPatch(StrictModel):
    """What to change of an endpoint; what is left out stays. `headers`, `filter` and lists are replaced as a whole."""

    url: Annotated[Url | None, _GIVEN] = None
    event_types: Annotated[EventTypes | None, _GIVEN] = None
    filter: EndpointFilter | None = None
    description: Label | None = None
    headers: Annotated[Headers | None, _GIVEN] = None
    rate_per_minute: Rate | None = None
    max_in_flight: Concurrency | None = None
    signing: Annotated[Signing | None, _GIVEN] = None
    state: Annotated[EndpointState | None, _GIVEN] = Field(
        None, description="`disabled` drops what is pending; `enabled` forgets earlier failures."
    )

    def changes(self) -> dict[str, Any]:
        """What is named, as the store takes it."""
        given = self.model_dump(exclude_unset=True)
        if "filter" in given:
            given["filter"] = None if self.filter is None else self.filter.metadata
        if "signing" in given:
            given["asymmetric"] = "v1a" in given.pop("signing")
        return given


class RotateRequest(StrictModel):
    """How to replace a secret."""

    keep_old_s: Annotated[int, Field(ge=0, le=LONGEST_KEPT_S)] = Field(
        KEEP_OLD_S,
        description="How long, in seconds, what signs now goes on signing beside the new secret; 0 if it leaked.",
    )


class SampleRequest(StrictModel):
    """Which event to make up."""

    type: str = Field(
        examples=["job.succeeded"], description=f"Any of {', '.join(f'`{name}`' for name in EVENT_TYPES)}."
    )
