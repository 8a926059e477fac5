"""The store against a real database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from fakes.job_rows import JobRows, one_database
from fakes.rows import Rows
from reelqueue.dev.postgres import EmbeddedPostgres
from reelqueue.domain.endpoints import Endpoint
from reelqueue.kit.acting import EVERYBODY
from reelqueue.kit.sealing import Sealer
from reelqueue.store.deliveries import Deliveries
from reelqueue.store.dispatch import Dispatch
from reelqueue.store.endpoints import Endpoints
from reelqueue.store.engine import Database, make_engine
from reelqueue.store.lanes import Lanes
from reelqueue.store.tenants import Tenants
from reelqueue.store.token_records import TokenRecords
from reelqueue.store.tokens import UpstreamTokens

MASTER_KEY = bytes(range(32))
RECEIVER = "https://example.com/hook?token=canary"


@pytest.fixture(scope="module")
def module_database(postgres_cluster: EmbeddedPostgres, _migrated_template: str) -> Iterator[Database]:
    """One database for a module whose tests do not get into each other's way."""
    with one_database(postgres_cluster, _migrated_template) as made:
        yield made


@pytest.fixture
def board(database: Database) -> JobRows:
    return JobRows(database)


@pytest.fixture
def make_database(database_url: str) -> Iterator[Callable[[], Database]]:
    """More databases on the one server, each with a pool of its own, as other processes would have."""
    made: list[Database] = []

    def make() -> Database:
        made.append(Database(make_engine(database_url, pool_size=8, whose=EVERYBODY)))
        return made[-1]

    yield make
    for database in made:
        database.dispose()


@pytest.fixture
def more_databases() -> Iterator[Callable[[Database], Database]]:
    """The same database again, with a pool of its own, as another process would have it."""
    made: list[Database] = []

    def again(database: Database) -> Database:
        made.append(Database(make_engine(database.engine.url.render_as_string(hide_password=False), whose=EVERYBODY)))
        return made[-1]

    yield again
    for one in made:
        one.dispose()


@pytest.fixture
def database(make_database: Callable[[], Database]) -> Database:
    return make_database()


@pytest.fixture
def sealer() -> Sealer:
    return Sealer(MASTER_KEY)


@pytest.fixture
def rows(database: Database) -> Rows:
    return Rows(database)


@pytest.fixture
def tenant(database: Database, sealer: Sealer) -> str:
    return Tenants(database, sealer).create("one").id


@pytest.fixture
def other_tenant(database: Database, sealer: Sealer) -> str:
    return Tenants(database, sealer).create("two").id


@pytest.fixture
def at_once() -> Callable[[int, Callable[[int], Any]], list[Any]]:
    """`at_once(n, call)`: `call(0)` to `call(n - 1)` in threads that start together; what each returned or raised."""

    def run(count: int, call: Callable[[int], Any]) -> list[Any]:
        start = threading.Barrier(count)

        def one(number: int) -> Any:
            start.wait()
            try:
                return call(number)
            except Exception as error:  # noqa: BLE001 - an outcome like any other
                return error

        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(one, range(count)))

    return run


@pytest.fixture
def lanes(database: Database, sealer: Sealer) -> Lanes:
    return Lanes(database, sealer)


@pytest.fixture
def endpoints(database: Database, sealer: Sealer) -> Endpoints:
    return Endpoints(database, sealer)


@pytest.fixture
def endpoint(endpoints: Endpoints, tenant: str) -> Endpoint:
    """One at `RECEIVER`, for every event."""
    return endpoints.create(tenant, url=RECEIVER, event_types=["*"], description=None)[0]


@pytest.fixture
def message(rows: Rows, tenant: str, endpoint: Endpoint) -> str:
    """One that is due at the endpoint; its id."""
    return rows.message(tenant, endpoint_id=endpoint.id)


@pytest.fixture
def dispatch(database: Database) -> Dispatch:
    return Dispatch(database)


@pytest.fixture
def records(database: Database, sealer: Sealer) -> TokenRecords:
    return TokenRecords(database, sealer)


@pytest.fixture
def tokens(database: Database, sealer: Sealer) -> UpstreamTokens:
    return UpstreamTokens(database, sealer)


@pytest.fixture
def deliveries(database: Database) -> Deliveries:
    return Deliveries(database)
