"""Finding the end of a feed, and following it, against a gateway over HTTP."""

from __future__ import annotations

import pytest

from fakes.feed_gateway import KEY, FeedGateway, Trouble
from reelqueue.cli.client import ApiAddress, ApiClient, ApiRefused
from reelqueue.cli.hooks.feed import Feed


@pytest.fixture
def feed(gateway: FeedGateway):
    client = ApiClient(ApiAddress(gateway.url, KEY))
    yield Feed(client)
    client.close()


@pytest.mark.parametrize("events", [*range(10), 100])
def test_the_newest_is_found_however_many_there_are(gateway, feed, events):
    for _ in range(events):
        gateway.add("job.queued")
    assert feed.newest() == events
    assert len(gateway.asked) <= 16


def test_a_feed_whose_beginning_is_gone_has_an_end_too(gateway, feed):
    for _ in range(5):
        gateway.add("job.queued")
    gateway.trouble(Trouble(status=410, problem={"code": "feed_position_expired"}))
    assert feed.newest() == 5
    gateway.trouble(Trouble(status=403, problem={"code": "forbidden"}))
    with pytest.raises(ApiRefused, match="forbidden"):
        feed.newest()
