"""What the upstream tokens' requests take."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from reelqueue.gateway.schemas.job_request import Label
from reelqueue.gateway.schemas.strict import StrictModel

MOST_PER_MINUTE: Final = 100_000
MOST_SLOTS: Final = 10_000

Secret = Annotated[
    str,
    Field(
        min_length=1,
        max_length=4096,
        description="The NemoVideo token. It is tried with one call, sealed, and never shown.",
        examples=["nmv_usr_…"],
        json_schema_extra={"writeOnly": True, "format": "password"},
    ),
]
PerMinute = Annotated[int, Field(ge=1, le=MOST_PER_MINUTE, description="Requests a minute that the account allows.")]
Burst = Annotated[int, Field(ge=1, le=1_000, description="Requests that may leave at once.")]
Turns = Annotated[int, Field(ge=0, le=MOST_SLOTS, description="Turns that may run at a time; 0 places nothing.")]
Renders = Annotated[int, Field(ge=0, le=MOST_SLOTS, description="Exports that may run at a time.")]


class UpstreamTokenRequest(StrictModel):
    """A NemoVideo token of your own, and what its account allows."""

    token: Secret
    label: Label | None = Field(default=None, description="A name for people.")
    plan: Label | None = Field(default=None, description="What you call the account's plan.")
    requests_per_minute: PerMinute | None = None
    burst: Burst | None = None
    max_turns: Turns | None = None
    max_renders: Renders | None = None


class UpstreamTokenPatch(StrictModel):
    """What to change; what is left out stays. A `token` takes the place of the one there: of the same account."""

    token: Secret | None = None
    label: Label | None = None
    plan: Label | None = None
    requests_per_minute: PerMinute | None = None
    burst: Burst | None = None
    max_turns: Turns | None = None
    max_renders: Renders | None = None
