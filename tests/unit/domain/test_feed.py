"""How an event looks in the feed."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from reelqueue.domain.breakers import UpstreamEventType
from reelqueue.domain.event_types import EVENT_TYPES
from reelqueue.domain.feed import FeedEvent, FeedPage, feed_text, names_of
from reelqueue.domain.messages import event_payload

AT = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize("job", [None, "job_1"])
@pytest.mark.parametrize("data", [{}, {"reason": 'it says ,"data":{ itself', "job": {"id": "job_1"}, "seq": 3}])
def test_an_event_is_its_body_with_its_number(job: str | None, data: dict[str, object]) -> None:
    payload = event_payload(UpstreamEventType.DEGRADED, AT, data)
    event = FeedEvent(id="evt_1", seq=7, type="upstream.degraded", job_id=job, payload=payload)
    shown = json.loads(feed_text(event))
    assert list(shown) == ["id", "object", "seq", "type", "timestamp", "job", "data"]
    assert shown == {"id": "evt_1", "object": "event", "seq": 7, "job": job, **json.loads(payload)}


def test_a_body_without_data_is_none_of_ours() -> None:
    with pytest.raises(ValueError, match="data"):
        feed_text(FeedEvent(id="evt_1", seq=1, type="x", job_id=None, payload="{}"))


@pytest.mark.parametrize("patterns", [(), ("*",), ("*", "job.queued")])
def test_all_types_are_no_filter(patterns: tuple[str, ...]) -> None:
    assert names_of(patterns) is None


def test_patterns_are_names() -> None:
    assert names_of(["job.queued"]) == {"job.queued"}
    assert names_of(["upstream.*", "batch.completed"]) == {
        name for name in EVENT_TYPES if name.startswith(("upstream.", "batch."))
    }


@pytest.mark.parametrize(
    ("after", "oldest", "lost"), [(0, 1, False), (0, 2, True), (4, 5, False), (4, 6, True), (9, 6, False)]
)
def test_a_place_is_lost_once_what_follows_it_is_gone(after: int, oldest: int, lost: bool) -> None:
    assert FeedPage(events=(), reached=9, oldest=oldest, last=9).lost(after) is lost
