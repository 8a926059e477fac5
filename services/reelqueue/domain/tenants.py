"""A customer of this service."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class TenantState(StrEnum):
    """What a tenant may do. An erased tenant has no row any more: its certificate says so (`domain.erasures`)."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    """No request of its keys is answered and no job of its is admitted; what was paid for runs on to its end."""
    ERASING = "erasing"
    """As suspended, and for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """Who owns keys, tokens, jobs and endpoints.

    `weight` is its share of the workers against the other tenants, `max_running` how many of its jobs may be under way
    at once; a paused tenant's new jobs wait.
    """

    id: str
    name: str
    weight: int
    max_running: int
    paused: bool
    state: TenantState
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantChange:
    """What an operator changes of a tenant; `None` leaves it as it is."""

    name: str | None = None
    weight: int | None = None
    max_running: int | None = None
    paused: bool | None = None
