"""What the upstream tokens' requests take."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from reelqueue.domain.tokens import TokenScope
from reelqueue.gateway.schemas.job_request import Label
from reelqueue.gateway.schemas.strict import StrictModel, broken_rule

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
Scopes = Annotated[
    list[Annotated[TokenScope, Field(strict=False)]],
    Field(
        max_length=len(TokenScope),
        description="What the token may do, if you know. A hint: a token without `write`, `upload` or `render` is given"
        " new projects only where there is no other; nothing is refused for it. Empty: not known.",
        examples=[["read", "write", "upload", "render"]],
    ),
]


class UpstreamTokenRequest(StrictModel):
    """A NemoVideo token of your own, and what its account allows."""

    token: Secret
    label: Label | None = Field(default=None, description="A name for people.")
    plan: Label | None = Field(default=None, description="What you call the account's plan.")
    requests_per_minute: PerMinute | None = None
    burst: Burst | None = None
    max_turns: Turns | None = None
    max_renders: Renders | None = None
    scopes: Scopes | None = None


class UpstreamTokenPatch(StrictModel):
    """What to change; what is left out stays. A `token` takes the place of the one there: of the same account."""

    token: Secret | None = None
    label: Label | None = None
    plan: Label | None = None
    requests_per_minute: PerMinute | None = None
    burst: Burst | None = None
    max_turns: Turns | None = None
    max_renders: Renders | None = None
    scopes: Scopes | None = None
    state: Literal["active", "blocked"] | None = Field(
        default=None,
        description="`blocked`: nothing new begins on it, and its projects' jobs wait; what runs goes on to its end."
        " `active` takes that back, and a block after refusals too.",
    )
    why: Label | None = Field(default=None, description="Why you block it, for people; only with `state: blocked`.")

    @model_validator(mode="after")
    def _why_of_a_block(self) -> Self:
        if self.why is not None and self.state != "blocked":
            raise broken_rule("`why` goes with `state: blocked`.")
        return self
