"""What answers about limits and usage look like. For the OpenAPI document and for tests."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from reelqueue.gateway.schemas.documents import Document, Moment


class Quota(Document):
    """A limit; `null` is unlimited. `resets_at` is when all of it will be free, where time alone frees it."""

    limit: int | None
    used: int | None
    remaining: int | None
    resets_at: Moment | None


class Quotas(Document):
    """What may be used beside credits. Nobody counts the storage of a tenant without a limit on it."""

    jobs_per_minute: Quota
    live_jobs: Quota
    storage_bytes: Quota


class Budget(Document):
    """Credits of a day or a month, in UTC. `used` is what is reserved, spent and at risk."""

    limit: float | None
    used: float
    remaining: float | None
    reserved: float
    spent: float
    at_risk: float
    resets_at: Moment


class Budgets(Document):
    """Both count the same jobs. Nothing is counted before the first budget is set."""

    tenant_day: Budget
    tenant_month: Budget


class KeyRate(Document):
    """Of the key that asks; `null` is unlimited."""

    requests_per_minute: int | None
    remaining: int | None


class Running(Document):
    """Jobs under way. Beyond the limit they wait; none is refused."""

    limit: int
    used: int


class TokenRate(Document):
    """What one of your own NemoVideo tokens can carry."""

    id: str
    label: str
    requests_per_minute: int
    max_turns: int
    max_renders: int


class Limits(Document):
    """Everything that bounds you, and how much of it is used."""

    object: Literal["limits"]
    as_of: Moment
    quotas: Quotas
    budgets: Budgets
    key: KeyRate
    running: Running
    tokens: list[TokenRate]


class UsedJobs(Document):
    """Jobs accepted in the time, and how those ended that have."""

    accepted: int
    succeeded: int
    failed: int
    canceled: int


class UsedCredits(Document):
    """By the jobs' bills. `unknown_jobs` have a cost, or a part of one, that nobody could read."""

    spent: float
    at_risk: float
    unknown_jobs: int


class UsedResults(Document):
    """Finished videos."""

    bytes: int
    minutes: float


class Used(Document):
    """All jobs of the time."""

    jobs: UsedJobs
    turns: int
    credits: UsedCredits
    results: UsedResults


class UsedGroup(Used):
    """The jobs of one day, project, customer or word; `null` for those that name none."""

    group: str | None


class Usage(Document):
    """`complete` is `false` if there are more groups than are shown: then those with the most jobs are."""

    object: Literal["usage"]
    from_: Moment = Field(alias="from")
    to: Moment
    group_by: str = Field(examples=["day", "metadata.campaign"])
    total: Used
    data: list[UsedGroup]
    complete: bool
