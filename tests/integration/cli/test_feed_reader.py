"""The feed as the command reads it, against a gateway over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from fakes.feed_gateway import KEY, FeedGateway, Trouble
from reelqueue.cli.client import ApiAddress, ApiClient, ApiRefused
from reelqueue.cli.hooks.feed import Feed


@pytest.fixture
def client(gateway: FeedGateway) -> Iterator[ApiClient]:
    made = ApiClient(ApiAddress(gateway.url, KEY))
    yield made
    made.close()


@pytest.mark.parametrize("events", [0, 1, 7])
def test_the_newest_is_found_however_many_there_are(gateway, client, events):
    for _ in range(events):
        gateway.add("job.queued")
    assert Feed(client).newest() == events


def test_what_cannot_be_asked_is_said_in_the_gateways_words(gateway, client):
    gateway.trouble(Trouble(status=403, problem={"code": "forbidden", "detail": "No.", "fix": "Ask."}))
    with pytest.raises(ApiRefused, match=r"^forbidden: No\. Ask\.$") as refused:
        Feed(client).newest()
    assert not refused.value.passing


def test_many_events_of_other_types_are_passed_over_without_an_end(gateway, client):
    for kind in ["job.progress"] * 20 + ["job.failed"]:
        gateway.add(kind)
    stop = threading.Event()
    following = Feed(client, types=["job.failed"]).follow(0, stop=stop, told=lambda *_: None)
    assert next(following).seq == 21
    assert [int(asked["after"]) for asked in gateway.asked] == list(range(0, 21, 3))
