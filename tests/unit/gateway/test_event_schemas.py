from __future__ import annotations

import json
from copy import deepcopy

import jsonschema
import pytest

from fakes.event_schemas import assert_valid, published
from reelqueue.domain.event_types import EVENT_TYPES
from reelqueue.domain.jobs import EventType
from reelqueue.domain.samples import sample_payload

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


@every_type
@pytest.mark.parametrize("where", ["body", "data"])
def test_a_schema_refuses_a_member_that_is_not_listed(kind, where):
    document = json.loads(sample_payload(kind))
    (document if where == "body" else document["data"])["nonsense"] = 1
    with pytest.raises(jsonschema.ValidationError):
        assert_valid(json.dumps(document))


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
