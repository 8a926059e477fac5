"""Erasing a tenant: the steps, and the certificate that is left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

REFUSED_EVERYWHERE: Final = timedelta(seconds=10)
"""From the request on, until no gateway lets a key of the tenant in any more: twice what a key is remembered."""
LEDGER_YEARS: Final = 7
"""How long the sums of what a tenant's turns cost are kept, by month, without anything that they were for."""


class ErasureState(StrEnum):
    """How far an erasure is. Each step can be taken again from its beginning; none is ever taken back."""

    ENDING = "ending"
    """Jobs are canceled, running ones waited for, pending messages dropped."""
    ROWS = "rows"
    """Rows are deleted, a few hundred at a time, the tenant's own last."""
    FILES = "files"
    """Inputs and results are deleted. A gateway does it: a dispatcher may not reach the file store."""
    ERASED = "erased"


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """The certificate of an erasure, from the moment it was asked for. Holds no name and nothing a tenant wrote.

    `counts` are rows by table, `files`, and `months_kept` of the ledger.
    """

    tenant_id: str
    state: ErasureState
    requested_by: str
    requested_at: datetime
    ended_at: datetime | None
    rows_at: datetime | None
    finished_at: datetime | None
    counts: Mapping[str, int]

    @property
    def id(self) -> str:
        """The tenant's."""
        return self.tenant_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureClaim:
    """The right to take the next step of an erasure for a while. Whoever claims it later fences this one off."""

    tenant_id: str
    state: ErasureState
    epoch: int
