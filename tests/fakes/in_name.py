"""A reader of the store, asked by each tenant in its own name, as a gateway does."""

from __future__ import annotations

from typing import Any

from reelqueue.kit.acting import acting_for


class InTheirName:
    """Something with a method `of`, whose first argument is a tenant."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def of(self, tenant_id: str, *more: Any) -> Any:
        with acting_for(tenant_id):
            return self._reader.of(tenant_id, *more)
