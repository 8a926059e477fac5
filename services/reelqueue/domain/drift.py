"""Where the ledger of budgets contradicts itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class AccountKey:
    """The accounts of a tenant and day."""

    tenant_id: str
    day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Credits by which figures differ that are the same by law. All 0: the accounts are right."""

    key: AccountKey
    transfers: float
    """Between the balances and the sums of the transfers."""
    jobs: float
    """Between the balances and the positions of the jobs."""
    left_over: float
    """Still reserved for jobs that have ended."""

    @property
    def total(self) -> float:
        """All of it."""
        return self.transfers + self.jobs + self.left_over
