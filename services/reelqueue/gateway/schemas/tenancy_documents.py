"""What answers about keys, tenants and what was done to them look like. For the OpenAPI document and for tests."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from reelqueue.domain.erasures import ErasureState
from reelqueue.domain.tenants import TenantState
from reelqueue.gateway.schemas.documents import Document, Moment, SelfLink


class ApiKey(Document):
    """A key, without its text. `current` is the one that asks."""

    id: str
    object: Literal["api_key"]
    name: str
    scopes: list[str]
    created_at: Moment
    expires_at: Moment | None
    last_used_at: Moment | None = Field(description="To the minute.")
    revoked_at: Moment | None
    current: bool
    links: SelfLink


class NewApiKey(ApiKey):
    """A key just made, with its text. It is not shown again, and not kept."""

    key: str = Field(examples=["rq_…"])


class ApiKeyList(Document):
    """One page of keys, newest first, revoked and expired ones too."""

    object: Literal["list"]
    data: list[ApiKey]
    has_more: bool
    next_cursor: str | None


class Tenant(Document):
    """A tenant, as its operator sees it."""

    id: str
    object: Literal["tenant"]
    name: str
    weight: int
    max_running: int
    paused: bool
    state: TenantState
    created_at: Moment
    links: SelfLink


class NewTenant(Tenant):
    """A tenant just made, with the secret that signs what its jobs' own `webhook_url` gets. It is not shown again."""

    webhook_secret: str


class TenantList(Document):
    """One page of tenants, newest first."""

    object: Literal["list"]
    data: list[Tenant]
    has_more: bool
    next_cursor: str | None


class Erasure(Document):
    """How far the erasure of a tenant is; the certificate once its `state` is `erased`."""

    object: Literal["erasure"]
    tenant: str
    state: ErasureState
    requested_by: str
    requested_at: Moment
    ended_at: Moment | None = Field(description="When all its work had ended.")
    rows_at: Moment | None = Field(description="When its last row was gone.")
    finished_at: Moment | None = Field(description="When its last file was gone.")
    counts: dict[str, int] = Field(description="Rows by table, `files`, and `months_kept` of sums of the ledger.")


class AuditEntry(Document):
    """One action. `digest` is the SHA-256 of all the rest, `previous` the digest of the entry before."""

    seq: int
    object: Literal["audit_entry"]
    created_at: str
    actor: str = Field(description="A key's id, `operator`, `cli:` and a user, or `process`.")
    action: str = Field(examples=["key.revoked"])
    tenant: str | None
    target: str
    request_id: str | None
    data: dict[str, Any]
    previous: str | None
    digest: str


class AuditList(Document):
    """One page of the audit log, newest first."""

    object: Literal["list"]
    data: list[AuditEntry]
    has_more: bool
    next_cursor: str | None


TENANCY_SHOWN = (ApiKey, NewApiKey, ApiKeyList, Tenant, NewTenant, TenantList, Erasure, AuditEntry, AuditList)
"""What the OpenAPI document names."""
