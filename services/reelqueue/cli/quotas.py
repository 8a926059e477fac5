"""`tenant quota` and `key limit`: what tenants and keys may use."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from reelqueue.cli.offline import AsJson, open_services, operator, show

_LIFT: Final = "none"
_HELP: Final = "; `none` lifts it."


def set_quota(  # noqa: PLR0917 - Typer calls it by name
    tenant: Annotated[str, typer.Argument(help="Id or name of the tenant.")],
    jobs_per_minute: Annotated[str | None, typer.Option(help="Most accepted a minute" + _HELP)] = None,
    live_jobs: Annotated[str | None, typer.Option(help="Most that have not ended" + _HELP)] = None,
    storage_bytes: Annotated[str | None, typer.Option(help="Bytes of assets and results" + _HELP)] = None,
    credits_per_day: Annotated[str | None, typer.Option(help="Credits of a day, in UTC" + _HELP)] = None,
    credits_per_month: Annotated[str | None, typer.Option(help="Credits of a month, in UTC" + _HELP)] = None,
    as_json: AsJson = False,  # noqa: FBT002 - a flag on the command line
) -> None:
    """Set what is given of a tenant's quotas and budgets, and show all of them with what is used."""
    given = {
        "jobs_per_minute": jobs_per_minute,
        "live_jobs": live_jobs,
        "storage_bytes": storage_bytes,
        "credits_per_day": credits_per_day,
        "credits_per_month": credits_per_month,
    }
    changes = {name: _number(name, text) for name, text in given.items() if text is not None}
    with open_services() as services:
        tenant_id = services.tenants.find(tenant).id
        if changes:
            services.quotas.set(tenant_id, changes, by=operator())
        known = services.quotas.limits(tenant_id)
    used = {
        "jobs_per_minute": None if known.rate is None else known.rate.used,
        "live_jobs": known.usage.live_jobs,
        "storage_bytes": known.usage.storage_bytes,
        "credits_per_day": float(known.usage.day.used),
        "credits_per_month": float(known.usage.month.used),
    }
    row: dict[str, Any] = {"tenant": tenant_id}
    for name, number in used.items():
        limit = getattr(known.quotas, name)
        row[name] = float(limit) if limit is not None and name.startswith("credits") else limit
        row[f"{name}_used"] = number
    show(row, as_json=as_json, nothing="-")


def limit_key(
    key_id: str,
    tenant: Annotated[str, typer.Option(help="Id or name of the tenant.")],
    per_minute: Annotated[int | None, typer.Option(min=1, help="Requests a minute; left out: unlimited.")] = None,
) -> None:
    """Hold an API key to a rate. Every gateway goes by it within five seconds."""
    with open_services() as services:
        services.api_keys.limit(services.tenants.find(tenant).id, key_id, per_minute, by=operator())


def _number(name: str, text: str) -> float | None:
    if text == _LIFT:
        return None
    try:
        return float(text)
    except ValueError:
        hint = f"--{name.replace('_', '-')}"
        raise typer.BadParameter("this takes a number or `none`", param_hint=hint) from None
