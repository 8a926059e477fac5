"""Keys, tenants, erasures and the audit log as the API shows them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from reelqueue.domain.api_keys import ApiKey
from reelqueue.domain.audit import AuditEntry
from reelqueue.domain.erasures import Erasure
from reelqueue.domain.tenants import Tenant
from reelqueue.kit.clock import rfc3339


def api_key_document(key: ApiKey, *, current: str, under: str = "/v1/api-keys") -> dict[str, Any]:
    """The key, without anything that it could be used by. `current` is the id of the key that asks."""
    return {
        "id": key.id,
        "object": "api_key",
        "name": key.name,
        "scopes": sorted(key.scopes),
        "created_at": rfc3339(key.created_at),
        "expires_at": _moment(key.expires_at),
        "last_used_at": _moment(key.last_used_at),
        "revoked_at": _moment(key.revoked_at),
        "current": key.id == current,
        "links": {"self": f"{under}/{key.id}"},
    }


def tenant_document(tenant: Tenant) -> dict[str, Any]:
    """The tenant, for its operator."""
    return {
        "id": tenant.id,
        "object": "tenant",
        "name": tenant.name,
        "weight": tenant.weight,
        "max_running": tenant.max_running,
        "paused": tenant.paused,
        "state": tenant.state.value,
        "created_at": rfc3339(tenant.created_at),
        "links": {"self": f"/v1/admin/tenants/{tenant.id}"},
    }


def erasure_document(erasure: Erasure) -> dict[str, Any]:
    """The certificate, as far as it is."""
    return {
        "object": "erasure",
        "tenant": erasure.tenant_id,
        "state": erasure.state.value,
        "requested_by": erasure.requested_by,
        "requested_at": rfc3339(erasure.requested_at),
        "ended_at": _moment(erasure.ended_at),
        "rows_at": _moment(erasure.rows_at),
        "finished_at": _moment(erasure.finished_at),
        "counts": dict(sorted(erasure.counts.items())),
    }


def audit_document(entry: AuditEntry) -> dict[str, Any]:
    """The entry, whole: the digest can be computed again from what is shown."""
    return {
        "seq": entry.seq,
        "object": "audit_entry",
        "created_at": entry.created_at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": entry.actor,
        "action": entry.action,
        "tenant": entry.tenant_id,
        "target": entry.target,
        "request_id": entry.request_id,
        "data": dict(entry.data),
        "previous": entry.previous,
        "digest": entry.digest,
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
