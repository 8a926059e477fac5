from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fakes.engine import NOW, RESULT, make_job
from reelqueue.domain.documents import event_document, job_document
from reelqueue.domain.jobs import (
    Billing,
    EventType,
    JobError,
    JobEvent,
    JobInput,
    Status,
    Waiting,
    WaitingReason,
)
from reelqueue.domain.messages import own_url, webhook_payload, with_delivery_seq
from reelqueue.domain.repairs import Measure, Repair

OWN_URL = "https://hooks.example/own?key=canary"


def event(kind=EventType.SUCCEEDED, **data):
    return JobEvent(id="evt_1", job_id="job_1", tenant_id="ten_1", seq=4, type=kind, data=data, created_at=NOW)


# --- a receiver of the job's own --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(EventType))
def test_the_jobs_own_url_hears_of_the_outcome_only(kind):
    outcome = kind in {EventType.SUCCEEDED, EventType.FAILED, EventType.CANCELED, EventType.RECOVERED}
    assert own_url(make_job(webhook_url=OWN_URL), kind) == (OWN_URL if outcome else None)


def test_the_end_of_a_batch_goes_to_the_batchs_url():
    job = make_job(webhook_url=OWN_URL)
    assert own_url(job, EventType.BATCH_COMPLETED, batch_url="https://batch.example/") == "https://batch.example/"


# --- an endpoint's own number -----------------------------------------------------------------------------------------


def test_an_endpoints_own_number_stands_in_the_data():
    payload = webhook_payload(make_job(metadata={"a": "}}"}), event())
    numbered = json.loads(with_delivery_seq(payload, 7))
    assert numbered["data"].pop("delivery_seq") == 7
    assert numbered == json.loads(payload)
    assert json.loads(with_delivery_seq('{"data":{}}', 1)) == {"data": {"delivery_seq": 1}}


def test_a_url_without_an_endpoint_has_no_numbers():
    assert with_delivery_seq('{"data":{"é":1}}', None) == '{"data":{"é":1}}'.encode()


def test_what_is_no_body_of_an_event_is_not_changed():
    with pytest.raises(ValueError, match="ends with its data"):
        with_delivery_seq('{"data":{},"more":1}', 1)


# --- what it says -----------------------------------------------------------------------------------------------------


def test_the_body_is_the_event_with_the_job_as_it_stood():
    body = json.loads(webhook_payload(make_job(status=Status.FAILED), event(EventType.FAILED, code="x")))
    assert set(body) == {"type", "timestamp", "data"}
    assert (body["type"], body["timestamp"]) == ("job.failed", "2026-03-01T12:00:00.000Z")
    assert (body["data"]["seq"], body["data"]["code"], body["data"]["job"]["status"]) == (4, "x", "failed")


def test_an_events_own_data_cannot_hide_the_job_or_its_number():
    body = json.loads(webhook_payload(make_job(), event(seq=99, job="x")))
    assert body["data"]["seq"] == 4
    assert body["data"]["job"]["object"] == "job"


# --- the job as the API shows it --------------------------------------------------------------------------------------


def test_fields_that_do_not_apply_yet_are_null_and_never_missing():
    fresh = job_document(make_job())
    full = job_document(
        make_job(
            status=Status.RENDERING,
            waiting=Waiting(reason=WaitingReason.RENDER, since=NOW, until=NOW),
            result=RESULT,
            error=JobError(code="c", message="m", blame="upstream", retryable=True, spent=None, fix="f"),
            finish_by=NOW,
            cancel_requested_at=NOW,
            finished_at=NOW,
        )
    )
    assert set(fresh) == set(full)
    assert [fresh[name] for name in ("waiting", "result", "error", "finish_by", "finished_at")] == [None] * 5
    assert full["waiting"] == {
        "reason": "render",
        "since": "2026-03-01T12:00:00.000Z",
        "until": "2026-03-01T12:00:00.000Z",
        "detail": None,
    }
    assert full["error"]["docs"] == "/docs/errors#c"


def test_the_members_are_those_the_design_names():
    assert set(job_document(make_job())) >= {
        *("id", "object", "status", "waiting", "progress", "step", "project", "instructions", "inputs", "outputs"),
        *("receipts", "result", "error", "billing", "metadata", "external_id", "customer", "retried_from"),
        *("created_at", "started_at", "finished_at", "links"),
    }
    assert set(job_document(make_job())["links"]) == {"self", "events", "result", "answer", "cancel"}


def test_nothing_of_ours_is_shown():
    shown = json.dumps(job_document(make_job(result=replace(RESULT, blob_key="canary"), tenant_id="canary")))
    assert "canary" not in shown


def test_the_result_is_fetched_from_us():
    shown = job_document(make_job(status=Status.SUCCEEDED, result=RESULT))
    assert shown["result"]["url"] == shown["links"]["result"] == f"/v1/jobs/{shown['id']}/result"


@pytest.mark.parametrize(
    ("status", "index", "expected"),
    [
        (Status.QUEUED, 0, {"attempt": 1, "instruction": 1}),
        (Status.INSTRUCTING, 1, {"attempt": 1, "instruction": 2}),
        (Status.RENDERING, 2, {"attempt": 1, "instruction": 2}),
        (Status.SUCCEEDED, 2, None),
    ],
)
def test_the_step_names_an_instruction_that_the_job_has(status, index, expected):
    shown = job_document(make_job(status=status, instructions=("a", "b"), instruction_index=index))
    assert shown["step"] == expected


def test_a_finished_job_cannot_be_canceled_by_link():
    assert job_document(make_job(status=Status.CANCELED))["links"]["cancel"] is None
    assert job_document(make_job())["links"]["cancel"] is not None


def test_inputs_outputs_and_billing():
    done = (Repair("converted", "heic", "jpg"), Repair("scaled", Measure(9, 4, 2), Measure(5, 2, 1)))
    inputs = (
        JobInput(position=0, asset_id="ast_1", sent=True, repairs=done),
        JobInput(position=1, url="https://x.example/a.png"),
    )
    shown = job_document(make_job(inputs=inputs, outputs=(), billing=Billing(spent=1.5, certainty="unknown")))
    assert shown["inputs"] == [
        {
            "asset": "ast_1",
            "url": None,
            "uploaded": True,
            "repairs": [
                {"kind": "converted", "from": "heic", "to": "jpg"},
                {
                    "kind": "scaled",
                    "from": {"bytes": 9, "width": 4, "height": 2},
                    "to": {"bytes": 5, "width": 2, "height": 1},
                },
            ],
        },
        {"asset": None, "url": "https://x.example/a.png", "uploaded": False, "repairs": []},
    ]
    assert shown["outputs"] == []
    assert shown["billing"] == {"spent": 1.5, "at_risk": 0.0, "certainty": "unknown"}


def test_an_event_as_the_api_shows_it():
    assert event_document(event(EventType.FAILED, code="x")) == {
        "id": "evt_1",
        "seq": 4,
        "type": "job.failed",
        "timestamp": "2026-03-01T12:00:00.000Z",
        "job": "job_1",
        "data": {"code": "x"},
    }
