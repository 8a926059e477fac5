"""One `reelqueue dev` for the whole run, and a customer of its own for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.event_schemas import is_valid
from fakes.live_customer import Customer, Customers, File, new_marker
from fakes.live_stack import LiveStack
from fakes.live_twin import Twin
from fakes.media import png
from fakes.receivers import Reply, WebhookReceiver
from fixtures.scheduling import claim_for_run

SPEED = 150.0
"""A generation takes one or two seconds; the fourth try of a webhook comes after a quarter of a minute."""

EXAMPLES = Path(__file__).parents[2] / "examples" / "pictures"


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveStack]:
    """The running command. When it has been stopped, its whole history and its logs are looked through."""
    claim_for_run(tmp_path_factory, "stack")
    live = LiveStack(tmp_path_factory.mktemp("live") / "stack of tests", speed=SPEED)
    try:
        live.start()
        yield live
        history = _history(live)
    finally:
        live.stop()
    assert {name: found for name, found in history.items() if found} == {}
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
        "events unlike their schemas": [
            row["payload"] for row in stack.sql("SELECT payload FROM feed_events") if not is_valid(row["payload"])
        ],
        "bearers at the CDN": book["bearers_at_cdn"],
        "in URLs": book["tokens_in_urls"],
    }


@pytest.fixture
def twin(stack: LiveStack) -> Iterator[Twin]:
    """The twin's control routes. No fault outlives a test."""
    yield stack.twin
    stack.twin.disarm()


@pytest.fixture(scope="session")
def customers(stack: LiveStack) -> Iterator[Customers]:
    """Makes more of them, other ones, or those with little credit."""
    made = Customers(stack)
    yield made
    made.close()


@pytest.fixture
def customer(customers: Customers, twin: Twin) -> Customer:
    """A tenant that nobody else uses."""
    return customers.make()


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
