"""`tenant`: the customers of this service, from their making to their erasure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reelqueue.cli.offline import AsJson, open_services, operator, show
from reelqueue.cli.quotas import set_quota

if TYPE_CHECKING:
    from reelqueue.domain.tenants import Tenant

Named = Annotated[str, typer.Argument(metavar="TENANT", help="Id or name.")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    tenant = typer.Typer()
    app.add_typer(tenant, name="tenant", help="Customers of this service.", no_args_is_help=True)
    tenant.command("create")(create_tenant)
    tenant.command("list")(list_tenants)
    tenant.command("show")(show_tenant)
    tenant.command("set")(set_tenant)
    tenant.command("quota")(set_quota)
    tenant.command("suspend")(suspend_tenant)
    tenant.command("resume")(resume_tenant)
    tenant.command("erase")(erase_tenant)


def create_tenant(
    name: str,
    weight: Annotated[int, typer.Option(min=1, help="Share of the capacity beside other tenants.")] = 1,
    max_running: Annotated[int, typer.Option(min=0, help="Most jobs at a time.")] = 50,
    as_json: AsJson = False,  # noqa: FBT002 - a flag on the command line
) -> None:
    """Make a tenant."""
    with open_services() as services:
        made = services.tenants.create(name, weight=weight, max_running=max_running, by=operator())
        secret = services.tenants.webhook_secret(made.id)
    show({"id": made.id, "name": made.name, "webhook_secret": secret}, as_json=as_json)


def list_tenants(as_json: AsJson = False) -> None:  # noqa: FBT002
    """List the tenants."""
    with open_services() as services:
        for one in services.tenants.list():
            show(_row(one), as_json=as_json)


def show_tenant(tenant: Named, as_json: AsJson = False) -> None:  # noqa: FBT002
    """Show one tenant."""
    with open_services() as services:
        show(_row(services.tenants.find(tenant)), as_json=as_json)


def set_tenant(  # noqa: PLR0917 - options of a command
    tenant: Named,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    weight: Annotated[int | None, typer.Option(min=1, help="Share of the capacity beside other tenants.")] = None,
    max_running: Annotated[int | None, typer.Option(min=0, help="Most jobs at a time.")] = None,
    paused: Annotated[bool | None, typer.Option(help="Whether new jobs wait; requests are answered.")] = None,
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Change a tenant. Jobs that wait already go by the new figures."""
    from reelqueue.domain.tenants import TenantChange  # noqa: PLC0415

    change = TenantChange(name=name, weight=weight, max_running=max_running, paused=paused)
    with open_services() as services:
        changed = services.tenants.change(services.tenants.find(tenant).id, change, by=operator())
    show(_row(changed), as_json=as_json)


def suspend_tenant(tenant: Named, as_json: AsJson = False) -> None:  # noqa: FBT002
    """Let none of its keys in, within five seconds, and none of its jobs begin."""
    with open_services() as services:
        changed = services.tenants.suspend(services.tenants.find(tenant).id, by=operator())
    show(_row(changed), as_json=as_json)


def resume_tenant(tenant: Named, as_json: AsJson = False) -> None:  # noqa: FBT002
    """As before it was suspended."""
    with open_services() as services:
        changed = services.tenants.resume(services.tenants.find(tenant).id, by=operator())
    show(_row(changed), as_json=as_json)


def erase_tenant(
    tenant: Annotated[str, typer.Argument(metavar="TENANT", help="Its id; its name only before it is erased.")],
    status: Annotated[bool, typer.Option("--status", help="Only show how far it is, or the certificate.")] = False,  # noqa: FBT002
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,  # noqa: FBT002
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Erase a tenant for good: its jobs, files, keys and secrets. Dispatchers and gateways carry it out."""
    with open_services() as services:
        tenant_id = tenant if tenant.startswith("ten_") else services.tenants.find(tenant).id
        if not status:
            if not yes:
                typer.confirm(f"Erase {tenant} for good?", abort=True)
            services.erasures.begin(tenant_id, by=operator())
        found = services.erasures.find(tenant_id)
    moments = {
        "requested": found.requested_at,
        "ended": found.ended_at,
        "rows_gone": found.rows_at,
        "erased": found.finished_at,
    }
    told = {name: None if at is None else at.isoformat() for name, at in moments.items()}
    show({"tenant": found.tenant_id, "state": found.state.value, **told, **found.counts}, as_json=as_json)


def _row(tenant: Tenant) -> dict[str, object]:
    return {
        "id": tenant.id,
        "name": tenant.name,
        "weight": tenant.weight,
        "max_running": tenant.max_running,
        "paused": tenant.paused,
        "state": tenant.state.value,
    }
