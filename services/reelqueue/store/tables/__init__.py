"""Every table. The migrations make them; `alembic check` holds the two together."""

from reelqueue.store.tables.administration import audit_log, erased_spending, erasures
from reelqueue.store.tables.batches import batches
from reelqueue.store.tables.breakers import breakers
from reelqueue.store.tables.credits import credit_entries
from reelqueue.store.tables.feed import feed_events, feeds
from reelqueue.store.tables.jobs import job_events, job_inputs, jobs, renders, turns
from reelqueue.store.tables.metadata import metadata
from reelqueue.store.tables.operations import idempotency_keys, workers
from reelqueue.store.tables.projects import draft_versions, former_sessions, projects
from reelqueue.store.tables.quotas import credit_accounts, credit_reservations, credit_transfers, tenant_quotas
from reelqueue.store.tables.recoveries import recoveries
from reelqueue.store.tables.tenancy import (
    api_keys,
    assets,
    flows,
    scheduler,
    tenants,
    upstream_tokens,
)
from reelqueue.store.tables.webhook_replays import webhook_replays
from reelqueue.store.tables.webhook_secrets import webhook_secrets
from reelqueue.store.tables.webhooks import messages, webhook_attempts, webhook_endpoints, webhook_lanes

__all__ = [
    "api_keys",
    "assets",
    "audit_log",
    "batches",
    "breakers",
    "credit_accounts",
    "credit_entries",
    "credit_reservations",
    "credit_transfers",
    "draft_versions",
    "erased_spending",
    "erasures",
    "feed_events",
    "feeds",
    "flows",
    "former_sessions",
    "idempotency_keys",
    "job_events",
    "job_inputs",
    "jobs",
    "messages",
    "metadata",
    "projects",
    "recoveries",
    "renders",
    "scheduler",
    "tenant_quotas",
    "tenants",
    "turns",
    "upstream_tokens",
    "webhook_attempts",
    "webhook_endpoints",
    "webhook_lanes",
    "webhook_replays",
    "webhook_secrets",
    "workers",
]
