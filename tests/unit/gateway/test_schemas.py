from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelqueue.domain.outputs import Output
from reelqueue.gateway.errors import RequestInvalid
from reelqueue.gateway.schemas.job_request import JobRequest
from reelqueue.gateway.schemas.moments import parse_moment
from reelqueue.gateway.schemas.strict import checked
from reelqueue.gateway.schemas.webhook_requests import EndpointRequest
from reelqueue.jobs.drafts import DraftInput

ASSET = "ast_" + "0" * 26
URL = "https://example.com/a.png"


def draft(**members: Any) -> Any:
    return checked(JobRequest, {"instruction": "x", **members}).draft()


def test_shorthand_and_objects_say_the_same() -> None:
    plain = draft(inputs=[ASSET, URL]).inputs
    spelled = draft(inputs=[{"asset": ASSET}, {"url": URL, "fetch": "gateway"}]).inputs
    assert plain == spelled == (DraftInput(asset_id=ASSET), DraftInput(url=URL))
    assert draft(inputs=[{"url": URL, "fetch": "upstream"}]).inputs == (DraftInput(url=URL, by_upstream=True),)


def test_output_absent_is_the_default_and_null_is_none() -> None:
    assert draft().outputs == (Output(),)
    assert draft(output={"quality": "low"}).outputs == (Output(format="mp4", quality="low"),)
    assert draft(output=None).outputs == ()


def test_outputs_stand_in_place_of_output() -> None:
    assert draft(outputs=[{"quality": "low"}, {}]).outputs == (Output(quality="low"), Output())
    assert draft(outputs=[]).outputs == ()
    assert draft(outputs=[{}]) == draft(outputs=None) == draft()


def test_null_stands_for_absent() -> None:
    empty = draft(inputs=None, metadata=None, external_id=None, language=None, webhook_url=None, finish_by=None)
    assert empty == draft()


def test_one_instruction_or_several() -> None:
    assert draft().instructions == ("x",)
    assert checked(JobRequest, {"instructions": ["a", "b"]}).draft().instructions == ("a", "b")


@pytest.mark.parametrize("document", [None, [], "x", 1, True])
def test_only_an_object_will_do(document: Any) -> None:
    with pytest.raises(RequestInvalid) as caught:
        checked(JobRequest, document)
    assert [(one.pointer, one.code) for one in caught.value.violations] == [("", "field_invalid")]


SECRETS = st.sampled_from(["whsec_canary", {"whsec_canary": "whsec_canary"}, ["whsec_canary"], 7_777_777, 7.25, True])


@given(st.dictionaries(st.sampled_from(sorted(JobRequest.model_fields)), SECRETS, min_size=1))
def test_no_violation_repeats_the_value(document: dict[str, Any]) -> None:
    refused = None
    try:
        checked(JobRequest, document)
    except RequestInvalid as error:
        refused = error
    if refused is not None:
        text = " ".join(f"{one.code} {one.message}" for one in refused.violations) + refused.message
        assert "7777777" not in text
        assert "7.25" not in text
        assert all("canary" not in one.message for one in refused.violations)
        assert refused.__cause__ is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2030-01-31T12:00:00Z", datetime(2030, 1, 31, 12, tzinfo=UTC)),
        ("2030-01-31t12:00:00.5+02:00", datetime(2030, 1, 31, 10, 0, 0, 500_000, tzinfo=UTC)),
        ("2030-01-31T12:00:00", None),
        ("2030-01-31", None),
        ("2030-02-31T12:00:00Z", None),
        ("10000-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("2030-01-31T12:00:00Z\n", None),
        ("٢٠٣٠-01-31T12:00:00Z", None),
    ],
)
def test_moments(text: str, expected: datetime | None) -> None:
    assert parse_moment(text) == expected


def test_an_endpoint_gets_how_jobs_ended_unless_it_says() -> None:
    ends = {"job.succeeded", "job.failed", "job.canceled", "job.recovered"}
    assert set(checked(EndpointRequest, {"url": URL}).event_types) == ends
