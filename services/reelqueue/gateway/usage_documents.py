"""Limits and usage as the API shows them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from decimal import Decimal
from typing import Any

from reelqueue.domain.budgets import Level
from reelqueue.domain.quotas import Limits
from reelqueue.domain.usage import UsageReport, Used
from reelqueue.gateway.rates import Shown
from reelqueue.kit.clock import rfc3339


def limits_document(limits: Limits, key: Shown | None) -> dict[str, Any]:
    """Everything that bounds the tenant, with what is used of it. `key` is the rate of the key that asks."""
    usage, rate = limits.usage, limits.rate
    full = None if rate is None else rfc3339(usage.now + timedelta(seconds=rate.resets_s))
    return {
        "object": "limits",
        "as_of": rfc3339(usage.now),
        "quotas": {
            "jobs_per_minute": _quota(limits.quotas.jobs_per_minute, None if rate is None else rate.used, full),
            "live_jobs": _quota(limits.quotas.live_jobs, usage.live_jobs, None),
            "storage_bytes": _quota(limits.quotas.storage_bytes, usage.storage_bytes, None),
        },
        "budgets": {level.value: _budget(limits, level, limit) for level, limit in reversed(limits.quotas.budgets())},
        "key": {
            "requests_per_minute": None if key is None else key.quota,
            "remaining": None if key is None else key.remaining,
        },
        "running": {"limit": limits.max_running, "used": limits.running},
        "tokens": [asdict(token) for token in limits.tokens],
    }


def _quota(limit: int | None, used: int | None, resets_at: str | None) -> dict[str, Any]:
    left = None if limit is None or used is None else max(0, limit - used)
    return {"limit": limit, "used": used, "remaining": left, "resets_at": resets_at}


def _budget(limits: Limits, level: Level, limit: Decimal | None) -> dict[str, Any]:
    position = limits.usage.of(level)
    return {
        "limit": None if limit is None else float(limit),
        "used": float(position.used),
        "remaining": None if limit is None else float(max(Decimal(0), limit - position.used)),
        "reserved": float(position.reserved),
        "spent": float(position.spent),
        "at_risk": float(position.at_risk),
        "resets_at": rfc3339(level.resets_at(limits.usage.now)),
    }


def usage_document(report: UsageReport) -> dict[str, Any]:
    """The report, public."""
    query = report.query
    return {
        "object": "usage",
        "from": rfc3339(query.since),
        "to": rfc3339(query.until),
        "group_by": f"metadata.{query.key}" if query.by == "metadata" else query.by,
        "total": _used(report.total),
        "data": [{"group": one.group, **_used(one)} for one in report.groups],
        "complete": report.complete,
    }


def _used(used: Used) -> dict[str, Any]:
    return {
        "jobs": {
            "accepted": used.accepted,
            "succeeded": used.succeeded,
            "failed": used.failed,
            "canceled": used.canceled,
        },
        "turns": used.turns,
        "credits": {"spent": used.credits_spent, "at_risk": used.credits_at_risk, "unknown_jobs": used.unknown},
        "results": {"bytes": used.result_bytes, "minutes": round(used.result_ms / 60_000, 3)},
    }
