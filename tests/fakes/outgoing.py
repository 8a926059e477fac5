"""Messages on their way and what came of them, for tests without a database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fakes.engine import WORKER
from reelqueue.domain.lanes import Health
from reelqueue.domain.outgoing import LaneClaim, Outgoing
from reelqueue.webhooks.sender import DeliveryOutcome

NOW = datetime(2026, 3, 1, tzinfo=UTC)
URL = "https://hooks.example/"


def outcome(status: int = 200, **more: Any) -> DeliveryOutcome:
    """What a receiver with that status made of a try."""
    fields = {
        "delivered": 200 <= status < 300,
        "status": status,
        "error_class": None if 200 <= status < 300 else "status",
        "elapsed_ms": 12,
        "response_excerpt": "said",
        "retry_after_s": None,
    }
    return DeliveryOutcome(**{**fields, **more})


def due(number: int, **more: Any) -> Outgoing:
    """A message of a job of its own."""
    fields = {
        "id": f"msg_{number}",
        "event_id": f"evt_{number}",
        "url": URL,
        "payload": b"{}",
        "type": "job.succeeded",
        "job_id": f"job_{number}",
        "attempts": 0,
        "round": 0,
    }
    return Outgoing(**{**fields, **more})


def held(**more: Any) -> LaneClaim:
    """An endpoint's lane, taken a moment ago."""
    fields = {
        "lane_id": "whe_1",
        "tenant_id": "ten_1",
        "endpoint_id": "whe_1",
        "worker_id": WORKER,
        "epoch": 1,
        "now": NOW,
        "health": Health(),
        "url": URL,
        "secrets": ("whsec_x",),
        "headers": {"x-shop": "7"},
    }
    return LaneClaim(**{**fields, **more})
