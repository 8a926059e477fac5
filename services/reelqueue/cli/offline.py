"""Commands that work on the database by themselves: no gateway has to run."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from reelqueue.domain.audit import Actor
    from reelqueue.wiring.services import Services

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@contextmanager
def open_services() -> Iterator[Services]:
    """The services of this command, closed at its end."""
    from reelqueue.cli.start import services_for  # noqa: PLC0415

    services = services_for("cli")
    try:
        yield services
    finally:
        services.close()


def operator() -> Actor:
    """Whoever is logged in here, for the audit log."""
    from reelqueue.domain.audit import Actor  # noqa: PLC0415

    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"  # a container whose user has no name
    return Actor(name=f"cli:{user}")


def show(row: Mapping[str, object], *, as_json: bool, nothing: str = "") -> None:
    """One thing, for people or for programs; people read `nothing` where there is none."""
    if as_json:
        typer.echo(json.dumps(row))
        return
    width = max(len(name) for name in row)
    for name, value in row.items():
        text = ", ".join(map(str, value)) if isinstance(value, list) else nothing if value is None else value
        typer.echo(f"{name:<{width}}  {text}")
