"""The published schemas of events, to hold real ones against."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import jsonschema
from fastapi import FastAPI
from sqlalchemy import select

from reelqueue.gateway.openapi import document_of
from reelqueue.store.engine import Database
from reelqueue.store.tables import feed_events


@cache
def published() -> dict[str, Any]:
    """What the OpenAPI document says of webhooks; no route is needed for that."""
    return document_of(FastAPI())


@cache
def validator(kind: str) -> jsonschema.Draft202012Validator:
    content = published()["webhooks"][kind]["post"]["requestBody"]["content"]["application/json"]
    return jsonschema.Draft202012Validator({**content["schema"], "components": published()["components"]})


def assert_valid(payload: str | bytes) -> dict[str, Any]:
    """The body, if its schema allows it."""
    document: dict[str, Any] = json.loads(payload)
    validator(document["type"]).validate(document)
    return document


def is_valid(payload: str) -> bool:
    """Whether its schema allows it."""
    document = json.loads(payload)
    return validator(document["type"]).is_valid(document)


def told_as_published(database: Database, tenant_id: str) -> int:
    """Hold all that a tenant was told against the schemas. Returns how much that was."""
    statement = select(feed_events.c.payload).where(feed_events.c.tenant_id == tenant_id)
    with database.statement() as connection:
        payloads = connection.execute(statement).scalars().all()
    for payload in payloads:
        assert_valid(payload)
    return len(payloads)
