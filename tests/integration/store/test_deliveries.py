"""Messages and their tries, as their tenant sees them."""

from __future__ import annotations

import pytest

from fakes.refusals import refusal
from reelqueue.errors import NotFound
from reelqueue.kit.ids import new_id

URL = "https://example.com/hook?token=canary"


def test_messages_of_an_endpoint_are_listed_newest_first(deliveries, endpoints, tenant, endpoint, rows):
    other = endpoints.create(tenant, url=URL, event_types=["*"], description=None)[0]
    rows.message(tenant, endpoint_id=other.id)
    ids = sorted((rows.message(tenant, endpoint_id=endpoint.id) for _ in range(4)), reverse=True)
    first = deliveries.list(tenant, endpoint.id, before=None, limit=3)
    assert [message.id for message in first] == ids[:3]
    rest = deliveries.list(tenant, endpoint.id, before=ids[2], limit=3)
    assert [message.id for message in rest] == ids[3:]
    assert (first[0].state, first[0].attempts, first[0].seq, first[0].type) == ("pending", 0, 1, "job.queued")


def test_anothers_messages_cannot_be_told_from_ones_that_never_were(deliveries, other_tenant, endpoint, message, rows):
    never = refusal(lambda: deliveries.attempts(other_tenant, new_id("message")))
    assert never["class"] is NotFound
    assert refusal(lambda: deliveries.attempts(other_tenant, message)) == never
    no_list = refusal(lambda: deliveries.list(other_tenant, new_id("webhook_endpoint"), before=None, limit=9))
    assert refusal(lambda: deliveries.list(other_tenant, endpoint.id, before=None, limit=9)) == no_list == never


def test_a_deleted_endpoints_messages_are_not_listed(deliveries, endpoints, tenant, endpoint, message):
    endpoints.delete(tenant, endpoint.id)
    with pytest.raises(NotFound):
        deliveries.list(tenant, endpoint.id, before=None, limit=9)
