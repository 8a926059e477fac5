"""The HTTP API over a real database, on a real server. One server a module; every test brings tenants of its own."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.gateway import RunningGateway, ServicesUnderTest, TenantClient, settings_for
from fixtures.eventually import wait_until
from reelqueue.dev.postgres import EmbeddedPostgres
from reelqueue.kit.acting import EVERYBODY, acting_for


@pytest.fixture(scope="module", autouse=True)
def _the_tests_own_hands_are_the_services() -> Iterator[None]:
    """What a test reads and writes past the API. The gateway's threads know nothing of it: they work for nobody."""
    with acting_for(EVERYBODY):
        yield


@pytest.fixture(scope="module")
def gateway_database(postgres_cluster: EmbeddedPostgres, _migrated_template: str) -> Iterator[str]:
    name = f"gateway_{uuid.uuid4().hex[:12]}"
    yield postgres_cluster.create_database(name, template=_migrated_template)
    postgres_cluster.drop_database(name)


@pytest.fixture(scope="module")
def run_gateway(
    gateway_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., RunningGateway]]:
    """`run_gateway(**settings.gateway)` starts another gateway on the module's database; all stop at the end."""
    running: list[RunningGateway] = []

    def run(*, root: Path | None = None, database_url: str = gateway_database, **limits: Any) -> RunningGateway:
        root = root or tmp_path_factory.mktemp("gateway")
        services = ServicesUnderTest(settings_for(database_url, root, **limits), process="gateway-test")
        gateway = RunningGateway(services, root)
        gateway.start(wait_until)
        running.append(gateway)
        return gateway

    yield run
    for gateway in running:
        gateway.stop()


@pytest.fixture(scope="module")
def gateway(run_gateway: Callable[..., RunningGateway]) -> RunningGateway:
    return run_gateway()


@pytest.fixture
def tenant(gateway: RunningGateway) -> Iterator[TenantClient]:
    with gateway.tenant() as client:
        yield client


@pytest.fixture
def other_tenant(gateway: RunningGateway) -> Iterator[TenantClient]:
    with gateway.tenant() as client:
        yield client
