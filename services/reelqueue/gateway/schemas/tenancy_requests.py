"""What the routes of keys and tenants take."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator, Field

from reelqueue.domain.api_keys import SCOPES
from reelqueue.gateway.schemas.job_request import Label, Moment
from reelqueue.gateway.schemas.strict import StrictModel, broken_rule

LARGEST_WEIGHT: Final = 1_000_000
LARGEST_CAP: Final = 1_000_000
LARGEST_QUOTA: Final = 10**12


def _scope(value: str) -> str:
    if value not in SCOPES:
        raise broken_rule(f"This takes {', '.join(sorted(SCOPES))}.")
    return value


Scope = Annotated[str, AfterValidator(_scope), Field(json_schema_extra={"enum": sorted(SCOPES)})]
TenantName = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$", examples=["acme"])]
Weight = Annotated[int, Field(ge=1, le=LARGEST_WEIGHT, description="Share of the capacity beside other tenants.")]
Cap = Annotated[int, Field(ge=0, le=LARGEST_CAP, description="Most jobs under way at a time.")]

Quota = Annotated[int, Field(ge=0, le=LARGEST_QUOTA)]
Credits = Annotated[float, Field(ge=0, le=LARGEST_QUOTA)]


class ApiKeyRequest(StrictModel):
    """A key to make. It cannot have a scope that the key which asks for it has not."""

    name: Label = Field(examples=["ci"], description="What it is for.")
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(SCOPES))] = Field(examples=[["jobs:read"]])
    expires_at: Moment | None = Field(None, description="From then on it is refused; never, if left out.")


class TenantRequest(StrictModel):
    """A tenant to make."""

    name: TenantName
    weight: Weight = 1
    max_running: Cap = 50


class TenantPatch(StrictModel):
    """What to change of a tenant; what is left out stays. Jobs that wait already go by the new figures."""

    name: TenantName | None = None
    weight: Weight | None = None
    max_running: Cap | None = None
    paused: bool | None = Field(None, description="Whether new jobs wait, for now; requests are answered all the same.")


class QuotasPatch(StrictModel):
    """What to change of a tenant's quotas: what is left out stays, null is unlimited. Days and months are in UTC."""

    jobs_per_minute: Annotated[int, Field(ge=1, le=LARGEST_QUOTA)] | None = None
    live_jobs: Quota | None = None
    storage_bytes: Quota | None = None
    credits_per_day: Credits | None = None
    credits_per_month: Credits | None = None


class EraseRequest(StrictModel):
    """To be asked by whoever means it."""

    name: TenantName = Field(description="The tenant's name, so that a slip of the id erases nobody.")
