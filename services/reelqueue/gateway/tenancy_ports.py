"""What the gateway needs of the store for tenants and their keys."""

from __future__ import annotations

import builtins
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Protocol

from reelqueue.domain.api_keys import ApiKey, CreatedKey
from reelqueue.domain.audit import Actor, AuditEntry
from reelqueue.domain.erasures import Erasure
from reelqueue.domain.tenants import Tenant, TenantChange


class ApiKeyRows(Protocol):
    """Keys by id, and those of one tenant."""

    def find(self, key_id: str) -> ApiKey | None:
        """The key, live or not."""
        ...

    def find_all(self, key_ids: Collection[str]) -> Mapping[str, ApiKey]:
        """The keys of these ids that are there, live or not."""
        ...

    def touch(self, key_ids: Iterable[str]) -> None:
        """Note that the keys were used just now."""
        ...

    def create(
        self, tenant_id: str, *, name: str, scopes: Iterable[str], expires_at: datetime | None, by: Actor
    ) -> CreatedKey:
        """A new key. Raises NotFound, ValidationFailed."""
        ...

    def find_of(self, tenant_id: str, key_id: str) -> ApiKey:
        """The tenant's key. Raises NotFound."""
        ...

    def list(self, tenant_id: str, *, before: str | None, limit: int) -> list[ApiKey]:
        """Newest first, older than the id `before`."""
        ...

    def revoke(self, tenant_id: str, key_id: str, *, by: Actor) -> None:
        """End a key for good. Raises NotFound."""
        ...


class TenantRows(Protocol):
    """All tenants, for the operator."""

    def create(self, name: str, *, weight: int, max_running: int, by: Actor) -> Tenant:
        """A new tenant. Raises StateConflict, ValidationFailed."""
        ...

    def find(self, id_or_name: str) -> Tenant:
        """One tenant. Raises NotFound."""
        ...

    def page(self, *, before: str | None, limit: int) -> list[Tenant]:
        """Newest first, older than the id `before`."""
        ...

    def webhook_secret(self, tenant_id: str) -> str:
        """What signs the messages of jobs' own URLs. Raises NotFound."""
        ...

    def change(self, tenant_id: str, change: TenantChange, *, by: Actor) -> Tenant:
        """Change what is given. Raises NotFound, StateConflict, ValidationFailed."""
        ...

    def suspend(self, tenant_id: str, *, by: Actor) -> Tenant:
        """Raises NotFound, StateConflict."""
        ...

    def resume(self, tenant_id: str, *, by: Actor) -> Tenant:
        """Raises NotFound, StateConflict."""
        ...


class ErasureRows(Protocol):
    """Erasures of tenants."""

    def begin(self, tenant_id: str, *, by: Actor) -> Erasure:
        """From now on. Raises NotFound."""
        ...

    def find(self, tenant_id: str) -> Erasure:
        """The certificate, as far as it is. Raises NotFound."""
        ...


class AuditRows(Protocol):
    """What was done to tenants and keys."""

    def list(self, *, tenant_id: str | None, before: int | None, limit: int) -> builtins.list[AuditEntry]:
        """Newest first, older than the number `before`."""
        ...
