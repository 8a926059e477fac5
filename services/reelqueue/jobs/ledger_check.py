"""The check that the ledger of budgets does not drift: a part of it with each sweep, all of it again and again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from reelqueue.domain.drift import AccountKey, Drift
from reelqueue.kit.clock import Clock
from reelqueue.kit.logs import get_logger
from reelqueue.kit.metrics import Metrics

BATCH: Final = 50
"""Accounts that are looked up at once."""
BUDGET_S: Final = 0.25
"""How long one round may take; an account that was begun is finished."""

log = get_logger(__name__)


class LedgerRows(Protocol):
    """`store.accounts.Accounts`."""

    def following(self, last: AccountKey | None, most: int) -> Sequence[AccountKey]:
        """The next accounts, in an order that stays."""
        ...

    def drift(self, key: AccountKey) -> Drift:
        """What does not fit."""
        ...


class LedgerCheck:
    """Goes round the accounts. The metric is the drift that was found and not yet found gone. For one thread."""

    def __init__(self, rows: LedgerRows, *, clock: Clock, metrics: Metrics) -> None:
        self._rows = rows
        self._clock = clock
        self._metrics = metrics
        self._last: AccountKey | None = None
        self._found: dict[AccountKey, float] = {}

    def run(self) -> int:
        """Check the next accounts; those that drift are looked at every time. Returns how many drift now."""
        ends = self._clock.monotonic() + BUDGET_S
        for key in list(self._found):
            self._check(key)
        keys = self._rows.following(self._last, BATCH)
        for key in keys:
            self._check(key)
            self._last = key
            if self._clock.monotonic() >= ends:
                break
        else:
            if len(keys) < BATCH:
                self._last = None
        self._metrics.ledger_drift.set(sum(self._found.values()))
        return len(self._found)

    def _check(self, key: AccountKey) -> None:
        drift = self._rows.drift(key)
        self._metrics.ledger_checked.inc()
        if not drift.total:
            self._found.pop(key, None)
            return
        if self._found.get(key) != drift.total:
            log.error(
                "ledger.drift_found",
                tenant=key.tenant_id,
                day=key.day.isoformat(),
                transfers=drift.transfers,
                jobs=drift.jobs,
                left_over=drift.left_over,
            )
        self._found[key] = drift.total
