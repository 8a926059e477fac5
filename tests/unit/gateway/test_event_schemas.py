from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import jsonschema
import pytest

from fakes.event_schemas import assert_valid, published, validator
from reelqueue.domain.event_types import EVENT_TYPES
from reelqueue.domain.jobs import EventType
from reelqueue.domain.samples import sample_payload
from reelqueue.gateway.schemas.event_documents import EVENT_DOCUMENTS
from reelqueue.gateway.schemas.shown import SHOWN
from reelqueue.gateway.schemas.tenancy_documents import TENANCY_SHOWN

every_type = pytest.mark.parametrize("kind", list(EVENT_TYPES))


@every_type
def test_every_sample_is_as_its_schema_says(kind):
    assert_valid(sample_payload(kind))


@every_type
def test_the_document_describes_every_type_with_its_sample_as_an_endpoint_gets_it(kind):
    operation = published()["webhooks"][kind]["post"]
    shown = operation["requestBody"]["content"]["application/json"]["example"]
    assert_valid(json.dumps(shown))
    assert shown["data"].pop("delivery_seq") == 1
    assert shown == json.loads(sample_payload(kind))
    assert operation["summary"].endswith(".")
    assert {header["name"] for header in operation["parameters"]} == {
        *("webhook-id", "webhook-timestamp", "webhook-signature"),
    }


def test_the_document_describes_no_other_type_and_each_under_a_name_of_its_own():
    webhooks = published()["webhooks"]
    assert list(webhooks) == list(EVENT_TYPES)
    assert len({told["post"]["operationId"] for told in webhooks.values()}) == len(EVENT_TYPES)


def objects(value: object) -> Iterator[dict[str, Any]]:
    """Every object of a body whose members its schema lists."""
    if isinstance(value, dict):
        yield value
        for name, one in value.items():
            if name not in {"metadata", "receipts", "counts", "links"}:  # their names are data
                yield from objects(one)
    elif isinstance(value, list):
        for one in value:
            yield from objects(one)


@every_type
def test_a_receiver_that_checks_is_not_broken_by_a_member_more_and_we_never_send_one_unlisted(kind):
    """Wherever it comes: in the body, its data, the job, or deeper."""
    for place in range(len(list(objects(json.loads(sample_payload(kind)))))):
        document = json.loads(sample_payload(kind))
        list(objects(document))[place]["added_later"] = 1
        validator(kind, strict=False).validate(document)
        with pytest.raises(jsonschema.ValidationError):
            assert_valid(json.dumps(document))


def test_what_we_say_may_grow_and_what_we_are_told_may_not():
    schemas = published()["components"]["schemas"]
    shut = {name for name, schema in schemas.items() if schema.get("additionalProperties") is False}
    said = {model.__name__ for model in (*SHOWN, *TENANCY_SHOWN, *EVENT_DOCUMENTS.values())}
    assert said <= set(schemas)
    assert not shut & said
    assert {"JobRequest", "JobForm", "EndpointPatch", "BatchRequest", "ApiKeyRequest"} <= shut


@pytest.mark.parametrize("kind", list(EventType))
def test_a_schema_asks_for_the_job_and_its_number(kind):
    document = json.loads(sample_payload(kind))
    for member in ("job", "seq"):
        without = deepcopy(document)
        del without["data"][member]
        with pytest.raises(jsonschema.ValidationError):
            assert_valid(json.dumps(without))


@pytest.mark.parametrize(
    ("kind", "member"),
    [
        ("job.requires_input", "question"),
        ("job.failed", "code"),
        ("job.progress", "seconds"),
        ("job.preview_ready", "timeline"),
        ("job.exported", "output"),
        ("batch.completed", "batch"),
        ("asset.expiring", "expires_at"),
        ("endpoint.failing", "percent"),
        ("endpoint.disabled", "reason"),
        ("upstream.degraded", "phase"),
    ],
)
def test_a_schema_asks_for_what_its_type_is_about(kind, member):
    document = json.loads(sample_payload(kind))
    del document["data"][member]
    with pytest.raises(jsonschema.ValidationError):
        assert_valid(json.dumps(document))
