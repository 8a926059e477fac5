"""`tenant`, `key` and `token`: what an operator makes before a tenant can begin."""

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
    """Add the groups."""
    tenant, key, token = typer.Typer(), typer.Typer(), typer.Typer()
    app.add_typer(tenant, name="tenant", help="Customers of this service.", no_args_is_help=True)
    app.add_typer(key, name="key", help="API keys.", no_args_is_help=True)
    app.add_typer(token, name="token", help="NemoVideo tokens.", no_args_is_help=True)
    tenant.command("create")(create_tenant)
    tenant.command("list")(list_tenants)
    key.command("create")(create_key)
    key.command("revoke")(revoke_key)
    token.command("add")(add_token)


def create_tenant(
    name: str,
    weight: Annotated[int, typer.Option(min=1, help="Share of the capacity beside other tenants.")] = 1,
    max_running: Annotated[int, typer.Option(min=0, help="Most jobs at a time.")] = 50,
    as_json: AsJson = False,  # noqa: FBT002 - a flag on the command line
) -> None:
    """Make a tenant."""
    with opened_services() as services:
        made = services.tenants.create(name, weight=weight, max_running=max_running)
        secret = services.tenants.webhook_secret(made.id)
    _show({"id": made.id, "name": made.name, "webhook_secret": secret}, as_json=as_json)


def list_tenants(as_json: AsJson = False) -> None:  # noqa: FBT002
    """List the tenants."""
    with opened_services() as services:
        for one in services.tenants.list():
            row = {"id": one.id, "name": one.name, "weight": one.weight, "max_running": one.max_running}
            _show(row, as_json=as_json)


def create_key(
    tenant: Annotated[str, typer.Option(help="Id or name of the tenant.")],
    name: Annotated[str, typer.Option(help="What the key is for.")] = "default",
    scopes: Annotated[str, typer.Option(help="Comma separated; all when left out.")] = "",
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Make an API key. Its text is shown once and never again."""
    from reelqueue.domain.api_keys import SCOPES  # noqa: PLC0415

    wanted = sorted({scope.strip() for scope in scopes.split(",") if scope.strip()} or SCOPES)
    if unknown := set(wanted) - SCOPES:
        raise typer.BadParameter(f"no such scope: {', '.join(sorted(unknown))}", param_hint="--scopes")
    with opened_services() as services:
        owner = services.tenants.find(tenant)
        made = services.api_keys.create(owner.id, name=name, scopes=wanted)
    _show({"id": made.id, "tenant": owner.id, "key": made.text, "scopes": wanted}, as_json=as_json)


def revoke_key(
    key_id: str,
    tenant: Annotated[str, typer.Option(help="Id or name of the tenant.")],
) -> None:
    """Revoke an API key. Every gateway refuses it within five seconds."""
    with opened_services() as services:
        services.api_keys.revoke(services.tenants.find(tenant).id, key_id)


def add_token(
    tenant: Annotated[str | None, typer.Option(help="Id or name of the tenant; left out: the shared pool.")] = None,
    label: Annotated[str, typer.Option(help="A name for people.")] = "default",
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Add a NemoVideo token. It is read from NEMO_TOKEN or typed in: an argument would show in process lists."""
    from reelqueue.settings import load_settings  # noqa: PLC0415

    given = load_settings().nemo.token
    secret = typer.prompt("NemoVideo token", hide_input=True) if given is None else given.get_secret_value()
    with opened_services() as services:
        owner = None if tenant is None else services.tenants.find(tenant).id
        made = services.tokens.add(owner, secret, label=label)
    _show({"id": made.id, "tenant": owner, "label": made.label}, as_json=as_json)


@contextmanager
def opened_services() -> Iterator[Services]:
    """The adapters, for the length of a command."""
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
