"""What the routes of webhook messages take."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from reelqueue.domain.replays import MOST_EVENTS, ReplayWish
from reelqueue.domain.subscriptions import PATTERNS, types_named
from reelqueue.gateway.schemas.job_request import Moment
from reelqueue.gateway.schemas.strict import StrictModel, broken_rule


def _pattern(value: str) -> str:
    if value not in PATTERNS:
        raise broken_rule("There is no such event type.")
    return value


EventPattern = Annotated[str, AfterValidator(_pattern), Field(json_schema_extra={"enum": sorted(PATTERNS)})]


class ReplayRequest(StrictModel):
    """Which events to send an endpoint again."""

    since: Moment = Field(description="Events that happened at this moment or later.")
    until: Moment | None = Field(None, description="Events that happened before this moment; before now, if left out.")
    types: Annotated[list[EventPattern], Field(min_length=1, max_length=50)] | None = Field(
        None, description="Names and families; what the endpoint is subscribed to, if left out."
    )
    dry_run: bool = Field(
        default=False, description=f"Only count. More than {MOST_EVENTS:,} events are not sent again at once."
    )

    @model_validator(mode="after")
    def _is_a_span(self) -> Self:
        if self.until is not None and self.until <= self.since:
            raise broken_rule("`until` must be after `since`.")
        return self

    def wish(self) -> ReplayWish:
        """As the store takes it."""
        types = None if self.types is None else types_named(self.types)
        return ReplayWish(since=self.since, until=self.until, types=types)
