"""A tenant's own NemoVideo tokens by HTTP, tried against a real twin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from fakes.gateway import RunningGateway, ServicesUnderTest, TenantClient, assert_problem, settings_for
from fakes.twin import Process, Twin
from fixtures.eventually import wait_until
from reelqueue.dev.valkey import EmbeddedValkey
from reelqueue.domain.tokens import MOST_REFUSALS, Block, BlockedBy, TokenWish

PATH = "/v1/upstream-tokens"
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    process = Process(tmp_path_factory.mktemp("twin"))
    running = Twin(process)
    yield running
    running.close()
    process.stop()


@pytest.fixture(scope="module")
def start(
    gateway_database: str, valkey: EmbeddedValkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], RunningGateway]]:
    """A gateway before this upstream. Without Redis it would call nobody."""
    running: list[RunningGateway] = []

    def begin(api_url: str) -> RunningGateway:
        root = tmp_path_factory.mktemp("gateway")
        settings = settings_for(gateway_database, root)
        nemo = settings.nemo.model_copy(update={"api_url": api_url})
        redis_url = SecretStr(valkey.url)
        settings = settings.model_copy(update={"nemo": nemo, "redis_url": redis_url})
        gateway = RunningGateway(ServicesUnderTest(settings), root)
        gateway.start(wait_until)
        running.append(gateway)
        return gateway

    yield begin
    for gateway in running:
        gateway.stop()


@pytest.fixture(scope="module")
def gateway(start: Callable[[str], RunningGateway], twin: Twin) -> RunningGateway:
    return start(twin.url)


def secret_of(twin: Twin, **wishes: Any) -> str:
    issued: str = twin.control("tokens", **wishes)["token"]
    return issued


def add(tenant: TenantClient, secret: str, **wishes: Any) -> dict[str, Any]:
    answer = tenant.post(PATH, json={"token": secret, **wishes})
    assert answer.status_code == 201, answer.text
    added: dict[str, Any] = answer.json()
    return added


def rows_of(tenant: TenantClient) -> list[Any]:
    statement = text("SELECT * FROM upstream_tokens WHERE tenant_id = :tenant")
    with tenant.gateway.services.database.statement() as connection:
        return list(connection.execute(statement, {"tenant": tenant.tenant_id}).mappings())


def test_a_token_is_tried_and_kept_and_never_shown(tenant: TenantClient, twin: Twin) -> None:
    secret = secret_of(twin, credits=730)
    answer = tenant.post(PATH, json={"token": secret, "label": "main", "requests_per_minute": 60, "max_turns": 4})
    assert answer.status_code == 201
    shown = answer.json()
    assert answer.headers["location"] == f"{PATH}/{shown['id']}"
    assert (shown["object"], shown["label"], shown["health"]) == ("upstream_token", "main", "ok")
    assert shown["limits"] == {"requests_per_minute": 60, "burst": 1, "max_turns": 4, "max_renders": 20}
    assert shown["in_use"] == {"turns": 0, "renders": 0}
    assert (shown["balance"]["available"], shown["balance"]["frozen"]) == (730, 0)
    assert shown["balance"]["as_of"] is not None
    listed, read = tenant.get(PATH), tenant.get(f"{PATH}/{shown['id']}")
    assert listed.json()["data"] == [shown]
    assert read.json() == shown
    for response in (answer, listed, read):
        assert secret not in response.text
    (row,) = rows_of(tenant)
    assert secret.encode() not in bytes(row["secret"])


def test_one_balance_call_is_made(tenant: TenantClient, twin: Twin) -> None:
    issued = twin.control("tokens")
    add(tenant, issued["token"])
    made = [one for one in twin.ledger()["requests"] if one["token"] == issued["fingerprint"]]
    assert [one["endpoint"] for one in made] == ["credits"]


def test_a_token_that_is_rejected_leaves_no_row(tenant: TenantClient, twin: Twin) -> None:
    revoked = secret_of(twin)
    twin.control("tokens/revoke", token=revoked)
    for secret in ("nmv_usr_never", revoked):
        answer = tenant.post(PATH, json={"token": secret})
        problem = assert_problem(answer, 422, "token_refused")
        assert problem["errors"][0]["pointer"] == "/token"
        assert secret not in answer.text
    assert rows_of(tenant) == []


@pytest.mark.parametrize("secret", ["two words", "nmv_ünicode", "x" * 4097, ""])
def test_what_cannot_be_a_token_goes_nowhere(tenant: TenantClient, twin: Twin, secret: str) -> None:
    before = len(twin.ledger()["requests"])
    answer = tenant.post(PATH, json={"token": secret})
    assert assert_problem(answer, 422, "validation_failed")["errors"][0]["pointer"] == "/token"
    assert len(twin.ledger()["requests"]) == before
    assert rows_of(tenant) == []


def test_a_token_without_the_scope_is_told_what_it_lacks(tenant: TenantClient, twin: Twin) -> None:
    assert_problem(tenant.post(PATH, json={"token": secret_of(twin, scopes=["upload"])}), 502, "upstream_forbidden")
    assert rows_of(tenant) == []


def test_an_upstream_that_is_away_leaves_no_row_and_asks_to_come_again(
    start: Callable[[str], RunningGateway], twin: Twin
) -> None:
    with start(NOWHERE).tenant() as tenant:
        answer = tenant.post(PATH, json={"token": secret_of(twin)})
        assert_problem(answer, 503, "service_unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        assert rows_of(tenant) == []


@pytest.mark.parametrize("fault", ["500", "429"])
def test_an_upstream_that_does_not_say_leaves_no_row(tenant: TenantClient, twin: Twin, fault: str) -> None:
    twin.fault("credits", fault)
    assert_problem(tenant.post(PATH, json={"token": secret_of(twin)}), 503, "service_unavailable")
    assert rows_of(tenant) == []


def test_the_same_secret_again_is_the_same_token(tenant: TenantClient, twin: Twin) -> None:
    secret = secret_of(twin)
    first = add(tenant, secret, label="first", max_turns=3)
    again = tenant.post(PATH, json={"token": secret, "max_renders": 7})
    assert again.status_code == 200
    shown = again.json()
    assert (shown["id"], shown["label"]) == (first["id"], "first")
    assert shown["limits"] == {**first["limits"], "max_renders": 7}


def test_limits_are_changed_one_by_one_and_only_within_reason(tenant: TenantClient, twin: Twin) -> None:
    path = f"{PATH}/{add(tenant, secret_of(twin), label='old')['id']}"
    changed = tenant.patch(path, json={"label": "new", "requests_per_minute": 12, "burst": 2, "max_turns": 0})
    assert changed.status_code == 200
    assert changed.json()["label"] == "new"
    assert changed.json()["limits"] == {"requests_per_minute": 12, "burst": 2, "max_turns": 0, "max_renders": 20}
    assert tenant.patch(path, json={}).json() == changed.json()
    for wrong in ({"requests_per_minute": 0}, {"burst": 0}, {"max_turns": -1}, {"max_turns": True}, {"health": "ok"}):
        assert_problem(tenant.patch(path, json=wrong), 422, "validation_failed")
    assert tenant.get(path).json() == changed.json()


def test_a_tenant_blocks_its_token_and_takes_that_back(tenant: TenantClient, twin: Twin) -> None:
    path = f"{PATH}/{add(tenant, secret_of(twin))['id']}"
    before = tenant.get(path).json()
    assert (before["state"], before["blocked"]) == ("active", None)
    blocked = tenant.patch(path, json={"state": "blocked", "why": "rotating the account", "max_turns": 3})
    assert blocked.status_code == 200, blocked.text
    shown = blocked.json()
    assert (shown["state"], shown["health"], shown["limits"]["max_turns"]) == ("blocked", "blocked", 3)
    assert (shown["blocked"]["by"], shown["blocked"]["why"]) == ("tenant", "rotating the account")
    assert tenant.gateway.services.tokens.pick(tenant.tenant_id) is None
    active = tenant.patch(path, json={"state": "active", "max_turns": 20})
    assert active.json() == before


@pytest.mark.parametrize(
    "wrong", [{"state": "gone"}, {"why": "no state"}, {"state": "active", "why": "x"}, {"scopes": ["renders"]}]
)
def test_what_is_no_state_and_no_scope_changes_nothing(tenant: TenantClient, twin: Twin, wrong: Any) -> None:
    path = f"{PATH}/{add(tenant, secret_of(twin))['id']}"
    before = tenant.get(path).json()
    assert_problem(tenant.patch(path, json=wrong), 422, "validation_failed")
    assert tenant.get(path).json() == before


def test_what_the_operator_blocked_a_tenant_reads_and_leaves(tenant: TenantClient, twin: Twin) -> None:
    token_id = add(tenant, secret_of(twin))["id"]
    wish = TokenWish(block=Block(on=True, by=BlockedBy.OPERATOR, why="unpaid"))
    tenant.gateway.services.token_keeping.change(tenant.tenant_id, token_id, wish)
    answer = tenant.patch(f"{PATH}/{token_id}", json={"state": "active"})
    assert assert_problem(answer, 409, "state_conflict")["errors"][0]["pointer"] == "/state"
    shown = tenant.get(f"{PATH}/{token_id}").json()["blocked"]
    assert (shown["by"], shown["why"]) == ("operator", "unpaid")


def test_scopes_are_kept_as_told(tenant: TenantClient, twin: Twin) -> None:
    shown = add(tenant, secret_of(twin), scopes=["read", "write", "read"])
    assert (shown["scopes"], shown["refused_scopes"]) == (["read", "write"], [])
    path = f"{PATH}/{shown['id']}"
    assert tenant.patch(path, json={"scopes": ["*"]}).json()["scopes"] == ["*"]
    assert tenant.patch(path, json={"label": "x"}).json()["scopes"] == ["*"]
    assert tenant.patch(path, json={"scopes": []}).json()["scopes"] == []


def test_a_token_that_keeps_being_refused_is_blocked_and_says_why(tenant: TenantClient, twin: Twin) -> None:
    shown = add(tenant, secret_of(twin))
    for _ in range(MOST_REFUSALS):
        twin.fault("credits", "403")
        assert_problem(tenant.get("/v1/credits"), 502, "upstream_forbidden")
    found = tenant.get(f"{PATH}/{shown['id']}").json()
    assert (found["state"], found["blocked"]["by"], found["refused_scopes"]) == ("blocked", "refusals", ["read"])
    assert "read" in found["blocked"]["why"]
    again = tenant.patch(f"{PATH}/{shown['id']}", json={"state": "active"}).json()
    assert (again["state"], again["refused_scopes"]) == ("active", [])


def test_a_fresh_secret_takes_the_place_of_a_dead_one(tenant: TenantClient, twin: Twin) -> None:
    secret, fresh = secret_of(twin), secret_of(twin, credits=55)
    token_id = add(tenant, secret, label="main")["id"]
    services = tenant.gateway.services
    twin.control("tokens/revoke", token=secret)
    assert_problem(tenant.get("/v1/credits"), 502, "upstream_token_invalid")
    assert tenant.get(f"{PATH}/{token_id}").json()["health"] == "invalid"
    refused = tenant.patch(f"{PATH}/{token_id}", json={"token": "nmv_usr_never"})
    assert_problem(refused, 422, "token_refused")
    assert services.tokens.credential(token_id).token == secret
    rotated = tenant.patch(f"{PATH}/{token_id}", json={"token": fresh, "max_turns": 2})
    assert (rotated.status_code, rotated.json()["health"]) == (200, "ok")
    assert (rotated.json()["balance"]["available"], rotated.json()["limits"]["max_turns"]) == (55, 2)
    assert services.tokens.credential(token_id).token == fresh
    assert services.tokens.find(token_id).generation == 2
    assert tenant.get("/v1/credits").json()["available"] == 55


def test_a_secret_that_another_of_the_tokens_has_is_refused(tenant: TenantClient, twin: Twin) -> None:
    one, two = secret_of(twin), secret_of(twin)
    first, _ = add(tenant, one), add(tenant, two)
    answer = tenant.patch(f"{PATH}/{first['id']}", json={"token": two})
    assert assert_problem(answer, 422, "validation_failed")["errors"][0]["pointer"] == "/token"
    assert tenant.gateway.services.tokens.credential(first["id"]).token == one


def test_a_token_that_nothing_names_is_erased_with_its_secret(tenant: TenantClient, twin: Twin) -> None:
    path = f"{PATH}/{add(tenant, secret_of(twin))['id']}"
    assert tenant.delete(path).status_code == 204
    assert rows_of(tenant) == []
    for answer in (tenant.get(path), tenant.delete(path), tenant.patch(path, json={"label": "x"})):
        assert_problem(answer, 404, "not_found")


def test_a_token_without_credits_is_shown_as_exhausted(tenant: TenantClient, twin: Twin) -> None:
    shown = add(tenant, secret_of(twin, credits=0))
    assert (shown["health"], shown["balance"]["available"]) == ("exhausted", 0)
    assert tenant.gateway.services.tokens.pick(tenant.tenant_id) is None


def test_lists_go_page_by_page(tenant: TenantClient, twin: Twin) -> None:
    ids = [add(tenant, secret_of(twin))["id"] for _ in range(3)]
    first = tenant.get(PATH, params={"limit": 2}).json()
    assert [one["id"] for one in first["data"]] == [ids[2], ids[1]]
    rest = tenant.get(PATH, params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [one["id"] for one in rest["data"]] == [ids[0]]
    assert rest["has_more"] is False
