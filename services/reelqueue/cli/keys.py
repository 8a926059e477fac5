"""`key` and `audit`: API keys, and what was done to them and to tenants."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from reelqueue.cli.offline import AsJson, open_services, operator, show
from reelqueue.cli.quotas import limit_key

Owner = Annotated[str, typer.Option(help="Id or name of the tenant.")]


def register(app: typer.Typer) -> None:
    """Add the groups."""
    key, audit = typer.Typer(), typer.Typer()
    app.add_typer(key, name="key", help="API keys.", no_args_is_help=True)
    app.add_typer(audit, name="audit", help="What was done to tenants and keys.", no_args_is_help=True)
    key.command("create")(create_key)
    key.command("list")(list_keys)
    key.command("limit")(limit_key)
    key.command("revoke")(revoke_key)
    audit.command("list")(list_audit)
    audit.command("verify")(verify_audit)


def create_key(
    tenant: Owner,
    name: Annotated[str, typer.Option(help="What the key is for.")] = "default",
    scopes: Annotated[str, typer.Option(help="Comma separated; all when left out.")] = "",
    expires: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="Refused from then on; in UTC.")
    ] = None,
    as_json: AsJson = False,  # noqa: FBT002 - a flag on the command line
) -> None:
    """Make an API key. Its text is shown once and never again."""
    from reelqueue.domain.api_keys import SCOPES  # noqa: PLC0415

    wanted = sorted({scope.strip() for scope in scopes.split(",") if scope.strip()} or SCOPES)
    if unknown := set(wanted) - SCOPES:
        raise typer.BadParameter(f"no such scope: {', '.join(sorted(unknown))}", param_hint="--scopes")
    until = None if expires is None else expires.replace(tzinfo=UTC)
    with open_services() as services:
        owner = services.tenants.find(tenant)
        made = services.api_keys.create(owner.id, name=name, scopes=wanted, expires_at=until, by=operator())
    show({"id": made.id, "tenant": owner.id, "key": made.text, "scopes": wanted}, as_json=as_json)


def list_keys(tenant: Owner, as_json: AsJson = False) -> None:  # noqa: FBT002
    """List a tenant's API keys, revoked and expired ones too."""
    with open_services() as services:
        for one in services.api_keys.list(services.tenants.find(tenant).id):
            moments = {"expires": one.expires_at, "last_used": one.last_used_at, "revoked": one.revoked_at}
            told = {name: None if at is None else at.isoformat() for name, at in moments.items()}
            show({"id": one.id, "name": one.name, "scopes": sorted(one.scopes), **told}, as_json=as_json)


def revoke_key(key_id: str, tenant: Owner) -> None:
    """Revoke an API key. Every gateway refuses it within five seconds."""
    with open_services() as services:
        services.api_keys.revoke(services.tenants.find(tenant).id, key_id, by=operator())


def list_audit(
    tenant: Annotated[str | None, typer.Option(help="Only what was done to this tenant: its id.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most entries.")] = 50,
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Show the newest entries of the audit log."""
    with open_services() as services:
        for one in services.audit_log.list(tenant_id=tenant, limit=limit):
            who = {"actor": one.actor, "request": one.request_id, "tenant": one.tenant_id, "target": one.target}
            row = {"seq": one.seq, "at": one.created_at.isoformat(), "action": one.action, **who}
            show({**row, **one.data, "digest": one.digest}, as_json=as_json)


def verify_audit() -> None:
    """Compute the log's chain again. Fails where an entry was changed or taken out."""
    with open_services() as services:
        found = services.audit_log.first_break()
    if found is not None:
        typer.echo(f"reelqueue: the audit log does not fit from entry {found} on", err=True)
        raise typer.Exit(1)
    typer.echo("every entry fits the one before it")
