"""What the smaller POSTs take."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reelqueue.domain.subscriptions import DEFAULT_EVENT_TYPES, PATTERNS
from reelqueue.gateway.schemas.job_request import Label, Url
from reelqueue.gateway.schemas.strict import StrictModel


class AssetRequest(StrictModel):
    """A file to fetch and keep."""

    url: Url = Field(examples=["https://example.com/photo.jpg"])


class RetryRequest(StrictModel):
    """How to retry a job."""

    accept_double_charge: bool = Field(
        default=False, description="Retry also where an instruction may be paid for twice."
    )


class EndpointRequest(StrictModel):
    """Where to send events. The secret is ours to choose, and is in the answer, once."""

    url: Url = Field(examples=["https://example.com/hooks/reelqueue"])
    event_types: Annotated[list[str], Field(min_length=1, max_length=50)] = Field(
        default_factory=lambda: [str(kind) for kind in DEFAULT_EVENT_TYPES],
        description=f"Any of {', '.join(f'`{pattern}`' for pattern in sorted(PATTERNS))}.",
    )
    description: Label | None = None
