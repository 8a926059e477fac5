"""One `reelqueue dev` for the whole run, and a customer of its own for each test."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.media import png
from fakes.receivers import Reply, WebhookReceiver
from fakes.live_customer import Customer, File, new_marker
from fakes.live_stack import LiveStack
from fakes.live_twin import Twin

from reelqueue.domain.api_keys import SCOPES
from reelqueue.settings import Settings
from reelqueue.wiring.services import Services

SPEED = 150.0
"""A generation takes one or two seconds; the fourth try of a webhook comes after a quarter of a minute."""

EXAMPLES = Path(__file__).parents[2] / "examples" / "pictures"


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    """The running command. When it has been stopped, its whole history and its logs are looked through."""
    live = LiveStack(tmp_path_factory.mktemp("live") / "stack of tests", speed=SPEED)
    try:
        live.start()
        yield live
        history = _history(live)
    finally:
        live.stop()
    assert history == {"jobs without their events": [], "turns sent twice": [], "bearers at the CDN": [], "in URLs": []}
    assert live.leaks() == []


def _history(stack: LiveStack) -> dict[str, Any]:
    """What must be empty whatever the tests did."""
    book = stack.twin.ledger("turns", "bearers_at_cdn", "tokens_in_urls")
    return {
        "jobs without their events": stack.sql(
            "SELECT j.id, j.status, j.event_seq, count(e.seq) AS events FROM jobs j "
            "LEFT JOIN job_events e ON e.job_id = j.id GROUP BY j.id "
            "HAVING count(e.seq) <> j.event_seq OR max(e.seq) <> j.event_seq OR "
            "count(*) FILTER (WHERE e.type IN ('job.succeeded', 'job.failed', 'job.canceled')) <> "
            "(j.finished_at IS NOT NULL)::int"
        ),
        "turns sent twice": [turn["message"] for turn in book["turns"] if turn["duplicate_of"] is not None],
        "bearers at the CDN": book["bearers_at_cdn"],
        "in URLs": book["tokens_in_urls"],
    }


@pytest.fixture
def twin(stack: LiveStack) -> Iterator[Twin]:
    """The twin's control routes. No fault outlives a test."""
    yield stack.twin
    stack.twin.disarm()


@pytest.fixture(scope="session")
def services(stack: LiveStack) -> Iterator[Services]:
    """The adapters, to make tenants with: the same ones that `reelqueue tenant create` uses."""
    dev = stack.dev
    made = Services(
        Settings(database_url=dev["database_url"], redis_url=dev["redis_url"], secret_key=stack.secret_key),
        process="e2e",
    )
    yield made
    made.close()


NewCustomer = Callable[..., Customer]


@pytest.fixture(scope="session")
def make_customer(stack: LiveStack, services: Services) -> Iterator[NewCustomer]:
    """Makes tenants with a key and a token; `max_running` and the token's `credits`, `plan` may be given."""
    made: list[Customer] = []

    def make(*, max_running: int = 50, **account: Any) -> Customer:
        tenant = services.tenants.create(f"tenant-{uuid.uuid4().hex[:10]}", max_running=max_running)
        key = services.api_keys.create(tenant.id, name="e2e", scopes=sorted(SCOPES))
        token = stack.twin.issue_token(**{"credits": 100_000, **account})
        services.tokens.add(tenant.id, token["token"], label="e2e")
        shown = {"id": tenant.id, "name": tenant.name, "webhook_secret": services.tenants.webhook_secret(tenant.id)}
        made.append(Customer(stack, tenant=shown, key=key.text, token=token))
        return made[-1]

    yield make
    for customer in made:
        customer.close()


@pytest.fixture
def customer(make_customer: NewCustomer, twin: Twin) -> Customer:
    """A tenant that nobody else uses."""
    return make_customer()


@pytest.fixture
def marker() -> str:
    """A word to know this test's turns by."""
    return new_marker()


@pytest.fixture(scope="session")
def photo() -> File:
    """A small picture."""
    return "photo.png", png(64, 64), "image/png"


@pytest.fixture(scope="session")
def examples() -> list[Path]:
    """The pictures that come with the project."""
    return sorted(EXAMPLES.glob("*.png"))


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    """A webhook receiver that says 204 to everything."""
    with WebhookReceiver() as made:
        yield made


@pytest.fixture
def receivers() -> Iterator[Callable[..., WebhookReceiver]]:
    """Makes receivers that follow a script."""
    made: list[WebhookReceiver] = []

    def make(*replies: Reply, listening: bool = True) -> WebhookReceiver:
        made.append(WebhookReceiver(*replies, listening=listening))
        return made[-1]

    yield make
    for one in made:
        one.close()
