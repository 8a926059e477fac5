"""`GET /v1/events`: a list, a long poll and a stream of the same events; and streams of keys that have ended."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import delete

from fakes.event_streams import EventStream
from fakes.gateway import RunningGateway, TenantClient, assert_problem, violations
from fakes.job_rows import counting
from fixtures.eventually import Eventually
from reelqueue.domain.breakers import UpstreamEventType
from reelqueue.domain.event_types import EndpointEventType
from reelqueue.gateway.schemas.documents import FeedEvent, FeedEventList
from reelqueue.store.outbox import tell
from reelqueue.store.tables import feed_events

pytestmark = pytest.mark.integration

DEGRADED, RECOVERED = UpstreamEventType.DEGRADED, UpstreamEventType.RECOVERED
DISABLED = EndpointEventType.DISABLED


@pytest.fixture(scope="module")
def gateway(run_gateway: Callable[..., RunningGateway]) -> RunningGateway:
    return run_gateway(sse_ping_s=0.2)


def told(tenant: TenantClient, *kinds: Any) -> None:
    """Numbered and announced, as the dispatcher's sequencer does it."""
    with tenant.gateway.services.service_database.transaction() as connection:
        for kind in kinds:
            tell(connection, [tenant.tenant_id], kind, datetime.now(UTC), {"reason": "x"})
    while tenant.gateway.services.sequencer.run_once():
        pass


def forgotten(tenant: TenantClient, upto: int) -> None:
    old = delete(feed_events).where(feed_events.c.tenant_id == tenant.tenant_id, feed_events.c.seq <= upto)
    with tenant.gateway.services.service_database.transaction() as connection:
        connection.execute(old)


@contextmanager
def following(tenant: TenantClient, path: str = "/v1/events", **headers: str) -> Iterator[EventStream]:
    headers = {"Accept": "text/event-stream", **{name.replace("_", "-"): value for name, value in headers.items()}}
    with tenant.stream("GET", path, headers=headers) as response:
        assert response.status_code == 200, response.read()
        yield EventStream(response)


def test_the_feed_of_a_tenant_that_did_nothing(tenant: TenantClient) -> None:
    page = tenant.get("/v1/events").json()
    assert page == {"object": "list", "data": [], "has_more": False, "next_after": 0, "oldest": 1, "last": 0}


def test_all_that_happened_in_pages(tenant: TenantClient, other_tenant: TenantClient) -> None:
    told(other_tenant, DISABLED)
    job = tenant.job(metadata={"order": "1042"})["id"]
    told(tenant, DEGRADED, RECOVERED)
    page = tenant.get("/v1/events?limit=2").json()
    FeedEventList.model_validate(page, strict=False)
    assert [(one["seq"], one["type"], one["job"]) for one in page["data"]] == [
        (1, "job.queued", job),
        (2, "upstream.degraded", None),
    ]
    assert page["data"][0]["data"]["job"]["metadata"] == {"order": "1042"}
    of_job = tenant.get(f"/v1/jobs/{job}/events").json()["data"][0]
    assert (page["data"][0]["id"], page["data"][0]["timestamp"]) == (of_job["id"], of_job["timestamp"])
    assert (page["has_more"], page["next_after"], page["oldest"], page["last"]) == (True, 2, 1, 3)
    rest = tenant.get("/v1/events?after=2").json()
    assert [one["type"] for one in rest["data"]] == ["upstream.recovered"]
    assert (rest["has_more"], rest["next_after"]) == (False, 3)
    assert tenant.get("/v1/events?after=3").json()["data"] == []
    latest = tenant.get("/v1/events?after=latest").json()
    assert (latest["data"], latest["next_after"]) == ([], 3)


@pytest.mark.parametrize(
    ("types", "seqs"),
    [("upstream.*", [1, 3]), ("endpoint.disabled,upstream.recovered", [2, 3]), ("*", [1, 2, 3]), ("job.*", [])],
)
def test_some_types(tenant: TenantClient, types: str, seqs: list[int]) -> None:
    told(tenant, DEGRADED, DISABLED, RECOVERED)
    page = tenant.get(f"/v1/events?types={types}").json()
    assert ([one["seq"] for one in page["data"]], page["next_after"]) == (seqs, 3)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("after=-1", "after"),
        ("after=newest", "after"),
        ("types=job.made", "types"),
        ("wait=31", "wait"),
        ("limit=501", "limit"),
        ("cursor=x", "cursor"),
    ],
)
def test_what_is_not_understood(tenant: TenantClient, query: str, parameter: str) -> None:
    assert {place for place, _ in violations(tenant.get(f"/v1/events?{query}"))} == {parameter}


def test_a_long_poll_ends_with_the_first_event_that_was_asked_for(
    tenant: TenantClient, gateway: RunningGateway, eventually: Eventually
) -> None:
    answers: list[httpx.Response] = []
    path = "/v1/events?after=0&wait=30&types=endpoint.disabled"
    polling = threading.Thread(target=lambda: answers.append(tenant.get(path, timeout=40)))
    polling.start()
    eventually(lambda: tenant.tenant_id in gateway.app.state.gateway.hub._watches)
    told(tenant, DEGRADED)
    told(tenant, DISABLED)
    polling.join(20)
    assert [(one["seq"], one["type"]) for one in answers[0].json()["data"]] == [(2, "endpoint.disabled")]
    eventually(lambda: tenant.tenant_id not in gateway.app.state.gateway.hub._watches)


def test_a_long_poll_for_nothing_says_how_far_it_looked(tenant: TenantClient) -> None:
    told(tenant, DEGRADED)
    page = tenant.get("/v1/events?after=0&wait=1&types=job.*").json()
    assert (page["data"], page["next_after"]) == ([], 1)


def test_a_place_that_is_no_longer_kept_is_gone(tenant: TenantClient) -> None:
    told(tenant, DEGRADED, RECOVERED, DEGRADED)
    forgotten(tenant, 2)
    stream = {"Accept": "text/event-stream"}
    for path, headers in (("?after=1", {}), ("?after=0&wait=5", {}), ("?after=1", stream)):
        gone = assert_problem(tenant.get(f"/v1/events{path}", headers=headers), 410, "feed_position_expired")
        assert gone["oldest"] == 3
    resumed = tenant.get("/v1/events", headers={**stream, "Last-Event-ID": "1"})
    assert_problem(resumed, 410, "feed_position_expired")
    for path in ("?after=2", ""):
        assert [one["seq"] for one in tenant.get(f"/v1/events{path}").json()["data"]] == [3]


def test_a_stream_tells_what_was_then_what_comes(tenant: TenantClient, eventually: Eventually) -> None:
    told(tenant, DEGRADED)
    with following(tenant) as stream:
        eventually(lambda: stream.durable == [(1, "upstream.degraded")])
        told(tenant, RECOVERED, DISABLED)
        eventually(lambda: len(stream.durable) == 3)
        assert not stream.ended.is_set()
    assert stream.durable[1:] == [(2, "upstream.recovered"), (3, "endpoint.disabled")]
    assert stream.retry is not None
    listed = tenant.get("/v1/events").json()["data"]
    assert [one["data"] for one in stream.events] == listed
    FeedEvent.model_validate(listed[0], strict=False)


@pytest.mark.parametrize("path", ["/v1/events", "/v1/events?after=latest"])
def test_a_stream_is_opened_with_one_look_that_the_hub_knows_of(
    tenant: TenantClient, gateway: RunningGateway, eventually: Eventually, path: str
) -> None:
    told(tenant, DEGRADED, RECOVERED)
    with counting(gateway.services.database) as statements, following(tenant, path) as stream:
        eventually(lambda: stream.retry is not None)
        assert len([one for one in statements if "FROM feed_events" in one and "FROM feeds" in one]) == 1
        [watch] = gateway.app.state.gateway.hub._watches[tenant.tenant_id]
        assert gateway.services.watched.versions([tenant.tenant_id]) == {tenant.tenant_id: watch._seen}


def test_a_stream_goes_on_where_it_was_left(tenant: TenantClient, eventually: Eventually) -> None:
    told(tenant, DEGRADED, RECOVERED, DISABLED)
    with following(tenant, "/v1/events?after=0", Last_Event_ID="2") as stream:
        eventually(lambda: stream.durable == [(3, "endpoint.disabled")])
    with following(tenant, "/v1/events?after=latest", Last_Event_ID="1") as stream:
        eventually(lambda: len(stream.durable) == 2)
    with following(tenant, "/v1/events?after=latest") as stream:
        told(tenant, DEGRADED)
        eventually(lambda: stream.durable == [(4, "upstream.degraded")])


def test_a_reader_of_some_types_moves_on_over_the_others(tenant: TenantClient, eventually: Eventually) -> None:
    with following(tenant, "/v1/events?types=endpoint.*") as stream:
        told(tenant, DEGRADED, RECOVERED)
        eventually(lambda: stream.place == 2)
        assert stream.events == []
        told(tenant, DISABLED)
        eventually(lambda: stream.durable == [(3, "endpoint.disabled")])


def test_whose_feed_it_is(tenant: TenantClient, other_tenant: TenantClient, eventually: Eventually) -> None:
    with following(other_tenant) as theirs:
        told(tenant, DEGRADED)
        told(other_tenant, RECOVERED)
        eventually(lambda: theirs.durable == [(1, "upstream.recovered")])


def test_the_feed_needs_the_scope_of_webhooks(gateway: RunningGateway) -> None:
    with gateway.tenant(scopes=["jobs:read"]) as client:
        assert_problem(client.get("/v1/events"), 403, "scope_missing")


# --- keys that end ---


def revoked(tenant: TenantClient) -> None:
    tenant.gateway.services.api_keys.revoke(tenant.tenant_id, tenant.key_id)


def suspended(tenant: TenantClient) -> None:
    tenant.gateway.services.tenants.suspend(tenant.tenant_id)


@pytest.mark.parametrize("end", [revoked, suspended])
@pytest.mark.parametrize("of", ["job", "feed"])
def test_a_stream_ends_with_its_key(
    run_gateway: Callable[..., RunningGateway],
    monkeypatch: pytest.MonkeyPatch,
    eventually: Eventually,
    end: Callable[[TenantClient], None],
    of: str,
) -> None:
    monkeypatch.setattr("reelqueue.gateway.guests.LOOK_EVERY_S", 0.05)
    gateway = run_gateway()
    with gateway.tenant() as tenant, gateway.tenant() as other:
        paths = [f"/v1/jobs/{one.job()['id']}/events" if of == "job" else "/v1/events" for one in (tenant, other)]
        with following(tenant, paths[0]) as stream, following(other, paths[1]) as theirs:
            eventually(lambda: len(gateway.app.state.gateway.guests._guests) == 2)
            end(tenant)
            assert stream.ended.wait(20)
            assert not theirs.ended.is_set()
            assert list(gateway.app.state.gateway.guests._guests) == [other.key_id]
