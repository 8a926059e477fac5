"""What the smaller POSTs take."""

from __future__ import annotations

from pydantic import Field

from reelqueue.gateway.schemas.job_request import Url
from reelqueue.gateway.schemas.strict import StrictModel


class AssetRequest(StrictModel):
    """A file to fetch and keep."""

    url: Url = Field(examples=["https://example.com/photo.jpg"])


class RetryRequest(StrictModel):
    """How to retry a job."""

    accept_double_charge: bool = Field(
        default=False, description="Retry also where an instruction may be paid for twice."
    )
