"""`health`: whether the process beside this command does its work. What a container's health check runs.

Each asks for a deed, not for a process id: the gateway for a ready answer, a worker for a lease it has just renewed, a
dispatcher for a round it has just made. Exit code 0 for yes, 1 for no, with the reason in one line.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from reelqueue.errors import DependencyUnavailable
from reelqueue.kit.limits import SWEEP_S

if TYPE_CHECKING:
    from reelqueue.store.liveness import Liveness

ANSWER_S: Final = 4.0
ROUND_S: Final = 3 * SWEEP_S
"""A dispatcher sweeps each five seconds, whatever else it does. Two rounds may be slow."""

Port = Annotated[int, typer.Option(help="The port it listens on.")]
Queues = Annotated[str, typer.Option(help="The queues it was started with.")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    health = typer.Typer()
    app.add_typer(health, name="health", help="Whether a process on this host does its work.", no_args_is_help=True)
    health.command("gateway")(gateway)
    health.command("dispatcher")(dispatcher)
    health.command("worker")(worker)


def gateway(port: Port = 8000) -> None:
    """`/readyz` answers 200: the database, its migrations and the broker are there."""
    from reelqueue.kit.http import httpx  # noqa: PLC0415 - see `cli/__init__.py`

    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=ANSWER_S, trust_env=False)
    except httpx.HTTPError as error:
        _unwell(f"the gateway does not answer ({type(error).__name__})")
    if answer.status_code != 200:
        _unwell(f"the gateway is not ready: {answer.text[:500]}")


def dispatcher() -> None:
    """The dispatcher used the database within the last fifteen seconds. It sweeps each five."""
    with _liveness() as liveness:
        if not liveness.spoke("reelqueue-dispatcher", within_s=ROUND_S):
            _unwell("no dispatcher of this host has used the database of late")


def worker(queues: Queues = "stream,step,webhook") -> None:
    """The worker of this host and these queues holds a lease. It renews it each ten seconds, for thirty."""
    names = [name.strip() for name in queues.split(",") if name.strip()]
    with _liveness() as liveness:
        if not liveness.holds_lease(host=socket.gethostname(), queues=names):
            _unwell(f"no worker of this host holds a lease for {', '.join(names)}")


@contextmanager
def _liveness() -> Iterator[Liveness]:
    # Not `services_for`: a check that runs each few seconds should not load every adapter.
    from reelqueue.kit.acting import EVERYBODY  # noqa: PLC0415
    from reelqueue.settings import load_settings  # noqa: PLC0415 - see `cli/__init__.py`
    from reelqueue.store.engine import Database, make_engine  # noqa: PLC0415
    from reelqueue.store.liveness import Liveness  # noqa: PLC0415

    url = load_settings().database_url.get_secret_value()
    # As the login role: PostgreSQL shows what a session does to its own login role only.
    engine = make_engine(url, pool_size=1, application="reelqueue-health", role=None, whose=EVERYBODY)
    database = Database(engine)
    try:
        yield Liveness(database)
    except DependencyUnavailable:
        _unwell("the database does not answer")
    finally:
        database.dispose()


def _unwell(reason: str) -> NoReturn:
    typer.echo(f"reelqueue: {reason}", err=True)
    raise typer.Exit(1)
