"""One twin, one database and one engine for all cells of a run."""

from __future__ import annotations

import pytest

from fakes.crash_worker import Nursery
from fakes.fault_run import FaultRun
from fakes.twin import Process, Twin
from fakes.twin_engine import TwinEngine, settings_for
from fakes.twin_time import STILL, TwinClock


@pytest.fixture(scope="session")
def still_twin(tmp_path_factory):
    process = Process(tmp_path_factory.mktemp("twin"), "--speed", STILL, "--film-max-side", 64, "--seed", 1)
    running = Twin(process)
    yield running
    running.close()
    # What it writes is of callers that broke off in the middle of a request.
    code, _ = process.stop()
    assert code == 0


@pytest.fixture(scope="session")
def faults_database_url(postgres_cluster, _migrated_template):
    name = "faults"
    yield postgres_cluster.create_database(name, template=_migrated_template)
    postgres_cluster.drop_database(name)


@pytest.fixture(scope="session")
def fault_run(still_twin, faults_database_url, tmp_path_factory):
    clock = TwinClock(still_twin.url)
    engine = TwinEngine(settings_for(faults_database_url, tmp_path_factory.mktemp("files"), still_twin.url), clock)
    yield FaultRun(engine, still_twin)
    engine.close()
    clock.close()


@pytest.fixture(scope="session")
def nursery():
    made = Nursery()
    yield made
    made.close()
