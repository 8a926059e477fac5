"""`token`: the NemoVideo tokens that jobs run on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from reelqueue.wiring.services import Services

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    token = typer.Typer()
    app.add_typer(token, name="token", help="NemoVideo tokens.", no_args_is_help=True)
    token.command("add")(add_token)


def add_token(
    tenant: Annotated[str | None, typer.Option(help="Id or name of the tenant; left out: the shared pool.")] = None,
    label: Annotated[str, typer.Option(help="A name for people.")] = "default",
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Add a NemoVideo token. It is read from NEMO_TOKEN or typed in: an argument would show in process lists."""
    from reelqueue.settings import load_settings  # noqa: PLC0415

    given = load_settings().nemo.token
    secret = typer.prompt("NemoVideo token", hide_input=True) if given is None else given.get_secret_value()
    with _services() as services:
        owner = None if tenant is None else services.tenants.find(tenant).id
        made = services.tokens.add(owner, secret, label=label)
    _show({"id": made.id, "tenant": owner, "label": made.label}, as_json=as_json)


@contextmanager
def _services() -> Iterator[Services]:
    from reelqueue.cli.start import services_for  # noqa: PLC0415

    services = services_for("cli")
    try:
        yield services
    finally:
        services.close()


def _show(row: Mapping[str, object], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(row))
        return
    width = max(len(name) for name in row)
    for name, value in row.items():
        text = ", ".join(value) if isinstance(value, list) else "shared pool" if value is None else value
        typer.echo(f"{name:<{width}}  {text}")
