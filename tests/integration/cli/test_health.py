"""`reelqueue health`, as a container's check runs it: the command's exit code against real processes and rows."""

from __future__ import annotations

import base64
import http.server
import socket
import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from reelqueue.cli.app import app
from reelqueue.kit.acting import EVERYBODY
from reelqueue.settings import load_settings
from reelqueue.store.engine import Database, make_engine
from reelqueue.store.liveness import Liveness
from reelqueue.store.workers import Workers
from reelqueue.wiring.services import Services

HOST = socket.gethostname()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(make_engine(database_url, pool_size=1, application="test-health", role=None, whose=EVERYBODY))
    yield made
    made.dispose()


@pytest.fixture
def health(database_url: str, health_without_database, monkeypatch: pytest.MonkeyPatch):
    """Run the command beside this database."""
    monkeypatch.setenv("REELQUEUE_DATABASE_URL", database_url)
    return health_without_database


@pytest.fixture
def health_without_database(monkeypatch: pytest.MonkeyPatch):
    """Run the command; its exit code and what it said."""
    monkeypatch.setenv("REELQUEUE_DATABASE_URL", "postgresql://127.0.0.1:1/none")
    monkeypatch.setenv("REELQUEUE_REDIS_URL", "redis://127.0.0.1:1")
    monkeypatch.setenv("REELQUEUE_SECRET_KEY", base64.b64encode(bytes(32)).decode())

    def run(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["health", *words])
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.exit_code, result.output

    return run


# --- a worker: a lease that has not run out ---------------------------------------------------------------------------


@pytest.fixture
def worker(database: Database) -> str:
    return Workers(database).register(node=f"stream.7@{HOST}", queues=["stream"], capacity=1)


@pytest.mark.usefixtures("worker")
def test_a_worker_with_a_lease_is_well(health):
    assert health("worker", "--queues", "stream") == (0, "")


@pytest.mark.usefixtures("worker")
def test_a_lease_for_other_queues_is_no_sign_of_this_one(health):
    for queues in ("step", "stream,step", ""):
        code, said = health("worker", "--queues", queues)
        assert code == 1, queues
        assert "no worker of this host holds a lease" in said


def test_a_worker_of_another_host_is_no_sign_of_this_one(health, database: Database):
    for node in ("stream.7@elsewhere", f"stream.7@x{HOST}", "stream.7@%", "stream.7"):
        Workers(database).register(node=node, queues=["stream"], capacity=1)
        assert health("worker", "--queues", "stream")[0] == 1, node


def test_a_lease_that_ran_out_is_none(health, database: Database, worker: str):
    with database.statement() as connection:
        connection.execute(text("UPDATE workers SET expires_at = now() WHERE id = :id"), {"id": worker})
    assert health("worker", "--queues", "stream")[0] == 1


def test_a_worker_that_drains_is_well_and_one_that_left_is_not(health, database: Database, worker: str):
    assert Workers(database).heartbeat(worker, draining=True) is not None
    assert health("worker", "--queues", "stream")[0] == 0
    Workers(database).leave(worker)
    assert health("worker", "--queues", "stream")[0] == 1


# --- a dispatcher: a round just now -----------------------------------------------------------------------------------


def test_a_dispatcher_that_used_the_database_is_well(health, database_url: str):
    dispatcher = Database(make_engine(database_url, pool_size=1, application="reelqueue-dispatcher"))
    try:
        assert health("dispatcher")[0] == 1
        with dispatcher.statement() as connection:
            connection.execute(text("SELECT 1"))
        assert health("dispatcher") == (0, "")
    finally:
        dispatcher.dispose()
    assert health("dispatcher")[0] == 1


def test_a_dispatcher_that_only_erases_is_not_well(health):
    """Its thread that erases tenants goes on while the loop hangs."""
    services = Services(load_settings(), process="dispatcher")
    try:
        services.row_eraser.step()
        assert health("dispatcher")[0] == 1
        services.dispatch.room()
        assert health("dispatcher")[0] == 0
    finally:
        services.close()


def test_what_it_did_long_ago_does_not_count(database: Database, database_url: str, eventually):
    dispatcher = Database(make_engine(database_url, pool_size=1, application="reelqueue-dispatcher"))
    try:
        with dispatcher.statement() as connection:
            connection.execute(text("SELECT 1"))
        liveness = Liveness(database)
        assert liveness.spoke("reelqueue-dispatcher", within_s=600)
        eventually(lambda: not liveness.spoke("reelqueue-dispatcher", within_s=0.05))
    finally:
        dispatcher.dispose()


def test_another_process_is_no_dispatcher(health, database: Database):
    with database.statement() as connection:
        connection.execute(text("SELECT 1"))
    code, said = health("dispatcher")
    assert code == 1
    assert "no dispatcher of this host" in said


def test_without_a_database_nobody_is_well(health_without_database):
    for words in (["worker"], ["dispatcher"]):
        code, said = health_without_database(*words)
        assert code == 1
        assert said == "reelqueue: the database does not answer\n"


# --- a gateway: a ready answer ----------------------------------------------------------------------------------------


@pytest.fixture
def gateway() -> Iterator[tuple[int, dict[str, int]]]:
    """The port of a server, and the status that it gives on `/readyz`."""
    answer = {"/readyz": 200}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"status":"not ready"}'
            self.send_response(answer.get(self.path, 404))
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port, answer
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_gateway_that_is_ready_is_well(health_without_database, gateway):
    port, _ = gateway
    assert health_without_database("gateway", "--port", str(port)) == (0, "")


def test_a_gateway_that_is_not_ready_says_why(health_without_database, gateway):
    port, answer = gateway
    answer["/readyz"] = 503
    code, said = health_without_database("gateway", "--port", str(port))
    assert code == 1
    assert "not ready" in said


def test_a_gateway_that_does_not_answer_is_not_well(health_without_database):
    code, said = health_without_database("gateway", "--port", "1")
    assert code == 1
    assert "does not answer" in said
