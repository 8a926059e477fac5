"""The published schemas of events, to hold real ones against."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import jsonschema
from fastapi import FastAPI

from reelqueue.gateway.openapi import document_of


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
