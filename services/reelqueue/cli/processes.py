"""One process each: `gateway`, `dispatcher`, `worker`, `migrate`. Settings come from the environment."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("gateway")(gateway)
    app.command("dispatcher")(dispatcher)
    app.command("worker")(worker)
    app.command("migrate")(migrate)


def gateway(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    processes: Annotated[int, typer.Option(help="How many processes share the port.", min=1)] = 1,
) -> None:
    """Serve the HTTP API."""
    from reelqueue.gateway.server import serve  # noqa: PLC0415 - only this command needs FastAPI

    serve(host=host, port=port, processes=processes)


def dispatcher() -> None:
    """Decide whose turn it is, and ring the workers. Any number may run."""
    from reelqueue.cli.start import services_for  # noqa: PLC0415
    from reelqueue.worker.dispatcher import run_dispatcher  # noqa: PLC0415

    raise typer.Exit(run_dispatcher(services_for("dispatcher")))


def worker(
    queues: Annotated[str, typer.Option(help="Comma separated: stream, step, webhook.")] = "stream,step,webhook",
    threads: Annotated[int, typer.Option(help="How many jobs or deliveries at a time.", min=1)] = 16,
) -> None:
    """Work on jobs or deliver webhooks. SIGTERM drains: a live paid stream is never cut."""
    from reelqueue.cli.start import services_for  # noqa: PLC0415
    from reelqueue.domain.jobs import Queue  # noqa: PLC0415
    from reelqueue.worker.process import run_worker  # noqa: PLC0415

    try:
        chosen = [Queue(name.strip()) for name in queues.split(",") if name.strip()]
    except ValueError as error:
        raise typer.BadParameter("queues are stream, step and webhook", param_hint="--queues") from error
    if not chosen:
        raise typer.BadParameter("name at least one queue", param_hint="--queues")
    services = services_for(f"worker-{'-'.join(chosen)}")
    raise typer.Exit(run_worker(services, queues=chosen, threads=threads))


def migrate(
    revision: Annotated[str, typer.Option(help="The revision to go to.")] = "head",
) -> None:
    """Bring the database to this version. Safe to run twice, and beside another."""
    from reelqueue.settings import load_settings  # noqa: PLC0415
    from reelqueue.store.migrations import upgrade  # noqa: PLC0415
    from reelqueue.store.roles import RoleUnusable  # noqa: PLC0415

    settings = load_settings()
    try:
        upgrade((settings.migration_database_url or settings.database_url).get_secret_value(), revision)
    except RoleUnusable as error:
        typer.echo(f"reelqueue: {error}", err=True)
        raise typer.Exit(1) from None
