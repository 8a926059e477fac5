"""`upstream`: what is known of NemoVideo, and the switches by hand."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from reelqueue.cli.offline import AsJson, open_services

if TYPE_CHECKING:
    from reelqueue.domain.breakers import Breaker, Phase

PhaseName = Annotated[str, typer.Argument(help="session, upload, instruct, render, poll or save.")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    upstream = typer.Typer()
    app.add_typer(upstream, name="upstream", help="NemoVideo: what is down, and the switches.", no_args_is_help=True)
    upstream.command("show")(show)
    upstream.command("open")(hold)
    upstream.command("close")(release)


def show(as_json: AsJson = False) -> None:  # noqa: FBT002
    """Show each phase."""
    with open_services() as services:
        _show(services.breakers.view().breakers.values(), as_json=as_json)


def hold(
    phase: PhaseName,
    reason: Annotated[str, typer.Option(help="For whoever asks later; tenants only hear `operator`.")] = "by hand",
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Stop a phase for all jobs until it is closed by hand. Every worker heeds it within seconds.

    A turn that runs is not cut. `open instruct` stops everything that costs credits.
    """
    with open_services() as services:
        _show([services.breakers.hold(_phase(phase), reason)], as_json=as_json)


def release(phase: PhaseName, as_json: AsJson = False) -> None:  # noqa: FBT002
    """Let a phase go on, whoever had stopped it."""
    with open_services() as services:
        _show([services.breakers.release(_phase(phase))], as_json=as_json)


def _phase(name: str) -> Phase:
    from reelqueue.domain.breakers import Phase  # noqa: PLC0415

    if name not in set(Phase):
        raise typer.BadParameter(f"no such phase: {name}", param_hint="PHASE")
    return Phase(name)


def _show(breakers: Iterable[Breaker], *, as_json: bool) -> None:
    from reelqueue.domain.breakers import upstream_document  # noqa: PLC0415

    found = list(breakers)
    if as_json:
        typer.echo(json.dumps(upstream_document(found)))
        return
    for one in found:
        state = "held open" if one.held else one.state.replace("_", " ")
        since = "" if one.opened_at is None else f"  since {one.opened_at:%Y-%m-%d %H:%M:%S} UTC: {one.reason}"
        typer.echo(f"{one.phase.value:<8}  {state}{since}")
