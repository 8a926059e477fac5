"""The published schemas, and the same without room for members that they do not list, to hold what we say against."""

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


def closed(schema: Any) -> Any:
    """A copy in which an object has the members that are listed, and no others."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    shut = {name: closed(one) for name, one in schema.items()}
    return {"additionalProperties": False, **shut} if isinstance(shut.get("properties"), dict) else shut


@cache
def validator(kind: str, *, strict: bool = True) -> jsonschema.Draft202012Validator:
    """Strict for what we send; a receiver takes the schema as it is published."""
    content = published()["webhooks"][kind]["post"]["requestBody"]["content"]["application/json"]
    schema = {**content["schema"], "components": published()["components"]}
    return jsonschema.Draft202012Validator(closed(schema) if strict else schema)


def assert_valid(payload: str | bytes) -> dict[str, Any]:
    """The body, if its schema lists all that it holds."""
    document: dict[str, Any] = json.loads(payload)
    validator(document["type"]).validate(document)
    return document


def is_valid(payload: str) -> bool:
    """Whether its schema lists all that it holds."""
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
