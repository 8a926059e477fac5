"""A customer of this service."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


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
    created_at: datetime
