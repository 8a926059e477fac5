"""`token`: the NemoVideo tokens that jobs run on."""

from __future__ import annotations

from typing import Annotated

import typer

from reelqueue.cli.offline import AsJson, open_services, show


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
    with open_services() as services:
        owner = None if tenant is None else services.tenants.find(tenant).id
        made = services.tokens.add(owner, secret, label=label)
    show({"id": made.id, "tenant": owner, "label": made.label}, as_json=as_json, nothing="shared pool")
