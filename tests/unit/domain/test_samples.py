from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from reelqueue.domain.event_types import EVENT_TYPES
from reelqueue.domain.jobs import EVENT_OF, EventType, Status
from reelqueue.domain.samples import every_sample, sample_metadata, sample_payload
from reelqueue.errors import ValidationFailed


@pytest.mark.parametrize("kind", list(EVENT_TYPES))
def test_every_type_has_a_sample_that_says_the_same_each_time(kind):
    body = json.loads(sample_payload(kind))
    assert set(body) == {"type", "timestamp", "data"}
    assert body["type"] == kind
    assert sample_payload(kind) == sample_payload(kind) == every_sample()[kind]


@pytest.mark.parametrize("kind", list(EventType))
def test_the_job_stands_where_the_event_says(kind):
    body = json.loads(sample_payload(kind))
    job = body["data"]["job"]
    became = {name.value: status.value for status, name in EVENT_OF.items()}
    assert job["status"] == became.get(kind.value, job["status"])
    assert body["data"]["seq"] > 0
    assert (job["finished_at"] is None) == (not Status(job["status"]).is_final)
    assert job["finished_at"] is None or job["finished_at"] <= body["timestamp"]
    assert sample_metadata(kind) == job["metadata"] != {}


def test_what_a_type_is_about_is_in_its_sample():
    data = {kind: json.loads(payload)["data"] for kind, payload in every_sample().items()}
    assert data["job.requires_input"]["question"] == data["job.requires_input"]["job"]["question"]["text"]
    assert data["job.failed"]["code"] == data["job.failed"]["job"]["error"]["code"]
    assert data["job.succeeded"]["job"]["result"]["bytes"] > 0
    assert data["job.exported"]["result"] == data["job.exported"]["job"]["outputs"][0]["result"]
    assert data["batch.completed"]["batch"]["id"] == data["batch.completed"]["job"]["batch"]
    assert data["job.recovered"]["result"] == data["job.recovered"]["job"]["recovered"]["result"]
    assert data["asset.expiring"]["expires_at"] == data["asset.expiring"]["job"]["recovered"]["expires_at"]


def test_a_sample_shows_an_endpoints_host_and_not_its_path():
    data = json.loads(sample_payload("endpoint.disabled"))["data"]
    assert data["host"] == "hooks.example.com"
    assert "hooks.example.com/" not in json.dumps(data)


def test_the_moment_can_be_now():
    now = datetime(2031, 5, 1, tzinfo=UTC)
    for kind in ("job.succeeded", "upstream.degraded"):
        assert json.loads(sample_payload(kind, at=now))["timestamp"] == "2031-05-01T00:00:00.000Z"


def test_an_event_of_no_job_has_no_metadata():
    assert sample_metadata("endpoint.failing") is None


@pytest.mark.parametrize("ask", [sample_payload, sample_metadata])
def test_a_type_that_there_is_not_is_refused(ask):
    with pytest.raises(ValidationFailed) as caught:
        ask("job.exploded")
    assert caught.value.pointer == "/type"
