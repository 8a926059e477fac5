"""A tenant with rows in every table that has an owner, each with a word in it that nobody else uses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, func, insert, select, text

from fakes.job_rows import standing
from reelqueue.domain.jobs import Status
from reelqueue.kit.ids import new_id
from reelqueue.store.engine import Database
from reelqueue.store.erasing_rows import OWNED
from reelqueue.store.tables import metadata, tenants


@dataclass(frozen=True)
class Whole:
    """Its id, its word, and the ids that a test may want."""

    id: str
    word: str
    jobs: dict[str, str]
    token_id: str


def fill(database: Database, word: str, *, pool_token: str | None = None) -> Whole:
    """Make one. Its turns ran on a token of its own, and on the pool's if one is given."""
    tenant_id = new_id("tenant")
    made = Whole(
        id=tenant_id,
        word=word,
        jobs={name: new_id("job") for name in ("ended", "queued", "retry")},
        token_id=new_id("upstream_token"),
    )
    with database.transaction() as connection:
        connection.execute(insert(tenants).values(id=tenant_id, name=f"{word} Ltd", webhook_secret=word.encode()))
        for table, rows in _rows(made, pool_token or made.token_id):
            for row in rows:
                connection.execute(insert(metadata.tables[table]).values(**row, tenant_id=tenant_id))
        filled = {
            table.name
            for table in OWNED
            if connection.execute(
                select(func.count()).select_from(table).where(table.c.tenant_id == tenant_id)
            ).scalar()
        }
    assert filled == {table.name for table in OWNED}, "a table with an owner that `_rows` has nothing for"
    return made


def _rows(made: Whole, on_token: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    word, jobs = made.word, made.jobs
    asset, endpoint, project, batch, message = (
        new_id(kind) for kind in ("asset", "webhook_endpoint", "project", "batch", "message")
    )
    told = {"metadata": {"k": word}, "external_id": word}
    yield "upstream_tokens", [_token(made)]
    yield "flows", [{"customer": word}]
    yield "api_keys", [{"id": new_id("api_key"), "name": word, "mac": word.encode(), "scopes": ["usage"]}]
    yield "assets", [_asset(asset, word)]
    yield (
        "webhook_endpoints",
        [
            {
                "id": endpoint,
                "url": f"http://{word}/",
                "event_types": ["*"],
                "secret": word.encode(),
                "description": word,
                "filter": {"k": word},
                "headers": word.encode(),
                "header_names": [word],
            }
        ],
    )
    replaced = {"scheme": "v1", "secret": word.encode(), "expires_at": func.now()}
    yield (
        "webhook_secrets",
        [
            {"id": new_id("webhook_secret"), "endpoint_id": endpoint, **replaced},
            {"id": new_id("webhook_secret"), **replaced, "scheme": "v1a", "public_key": word},
        ],
    )
    ready = {"state": "ready", "session_id": f"s-{word}", "task_id": word, "user_id": word}
    yield "projects", [{"id": project, "token_id": on_token, "name": word, "customer": word, **ready, **told}]
    former = {"project_id": project, "opening": 1, "token_id": on_token, "session_id": word, "task_id": word}
    yield "former_sessions", [former]
    yield (
        "batches",
        [{"id": batch, "mode": "separate", "name": word, "webhook_url": word, "jobs": 1, "open": 1, **told}],
    )
    job = {"instructions": [word], "customer": word, "webhook_url": f"http://{word}/", "project_id": project, **told}
    yield (
        "jobs",
        [
            {"id": jobs["ended"], **job, **standing(Status.SUCCEEDED), "receipts": [word], "batch_id": batch},
            {"id": jobs["queued"], **job, "waiting": {"reason": word}},
            {"id": jobs["retry"], **job, **standing(Status.FAILED), "retried_from": jobs["ended"]},
        ],
    )
    yield (
        "job_inputs",
        [
            {"job_id": jobs["ended"], "position": 0, "asset": asset, "asset_id": asset},
            {"job_id": jobs["ended"], "position": 1, "url": f"http://{word}/a.png"},
        ],
    )
    yield "turns", [{"job_id": jobs["ended"], "position": 0, "before": {"draft": word}}]
    yield "renders", [{"id": f"r-{word}", "job_id": jobs["ended"], "attempt": 1, "url": f"http://{word}/"}]
    spent = {"job_id": jobs["ended"], "token_id": on_token, "held": 0.0, "before": 9.0, "after": 8.0}
    yield (
        "credit_entries",
        [
            {"position": 0, "spent": 1.5, "certainty": "inferred", **spent},
            {"position": 1, "spent": 0.0, "certainty": "unknown", **spent},
        ],
    )
    yield "tenant_quotas", [{"live_jobs": 5, "credits_per_day": 10}]
    yield "credit_accounts", [{"day": func.current_date()}]
    yield (
        "credit_reservations",
        [{"job_id": jobs["ended"], "day": func.current_date(), "turns": 0, "each": 1, "reserved": 0, "spent": 1}],
    )
    moved = {"kind": "reserve", "source": "budget", "target": "reserved", "amount": 1}
    yield "credit_transfers", [{"day": func.current_date(), "job_id": jobs["ended"], **moved}]
    yield (
        "job_events",
        [
            {"id": new_id("event"), "job_id": one, "seq": 1, "type": "job.queued", "data": {"said": word}}
            for one in jobs.values()
        ],
    )
    event, told = new_id("event"), {"job_id": jobs["ended"], "type": "job.queued"}
    yield (
        "feed_events",
        [{"id": event, "seq": 1, "job_seq": 1, "metadata": {"k": word}, "url": word, "payload": word, **told}],
    )
    yield "feeds", [{"last_seq": 1}]
    yield (
        "webhook_lanes",
        [{"id": endpoint, "endpoint_id": endpoint, "host": word}, {"id": f"{made.id}/x", "host": word}],
    )
    sent = {"event_id": event, "position": 1, "seq": 1, **told}
    yield (
        "messages",
        [
            {"id": message, "endpoint_id": endpoint, "lane_id": endpoint, "delivery_seq": 1, **sent},
            {"id": new_id("message"), "url": f"http://{word}/", "lane_id": f"{made.id}/x", **sent},
        ],
    )
    yield (
        "webhook_attempts",
        [
            {
                "message_id": message,
                "attempt": 1,
                "started_at": func.now(),
                "elapsed_ms": 1,
                "response_excerpt": word,
                "request_headers": {"webhook-id": word},
            }
        ],
    )
    span = {"until": func.now(), "events": 1, "pending": 0, "after_seq": 0, "last_seq": 1}
    yield (
        "webhook_replays",
        [{"id": new_id("replay"), "endpoint_id": endpoint, "fingerprint": word, "key": word, **span}],
    )
    key = {"operation": "jobs", "key": word, "fingerprint": word, "expires_at": func.now()}
    yield "idempotency_keys", [{**key, "job_id": jobs["queued"]}]
    yield "recoveries", [{"job_id": jobs["ended"], "project_id": project, "kind": "render", "seen": word}]
    version = {"project_id": project, "digest": word, "draft": word, "timeline": {"t": word}, "facts": {}}
    yield (
        "draft_versions",
        [
            {"number": 1, "job_id": jobs["ended"], "position": 0, "exportable": True, **version},
            {"number": 2, "exportable": True, **version},
        ],
    )


def _token(made: Whole) -> dict[str, Any]:
    word = made.word
    return {
        "id": made.token_id,
        "label": word,
        "kind": "supplied",
        "secret": word.encode(),
        "fingerprint": word.encode(),
    }


def _asset(asset: str, word: str) -> dict[str, Any]:
    form = {"kind": "image", "media_type": "image/png", "extension": "png", "bytes": 1}
    return {"id": asset, "sha256": "0" * 64, "label": f"{word}.png", "blob_key": word, **form}


def dump(database: Database) -> dict[str, list[str]]:
    """Every row of every table as text, bytes in hexadecimal, as a dump would have it."""
    with database.statement() as connection:
        return {name: list(connection.execute(_as_text(table)).scalars()) for name, table in metadata.tables.items()}


def _as_text(table: Table) -> Any:
    return text(f"SELECT t::text FROM {table.name} t ORDER BY 1")


def of(dumped: dict[str, list[str]], *words: str) -> dict[str, list[str]]:
    """The rows in which one of the words stands, as text or as bytes."""
    signs = [sign for word in words for sign in (word, word.encode().hex())]
    found = {name: [row for row in rows if any(sign in row for sign in signs)] for name, rows in dumped.items()}
    return {name: rows for name, rows in found.items() if rows}
