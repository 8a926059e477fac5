"""`listen`, `trigger` and `webhooks certify`: for whoever writes a receiver. No tunnel is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from reelqueue.cli.hooks.lines import Lines

ForwardTo = Annotated[str, typer.Option(help="Your receiver. It may be on this machine.")]
SendTo = Annotated[str | None, typer.Option("--forward-to", help="Send it from here, to this receiver.")]
Events = Annotated[str | None, typer.Option(help="Comma separated names and patterns, such as job.*; left out: all.")]
From = Annotated[str, typer.Option("--from", help="`now`, or the position in the feed to begin with.")]
Url = Annotated[str | None, typer.Option(help="The gateway; else REELQUEUE_URL, else the `reelqueue dev` of here.")]
EndpointId = Annotated[str | None, typer.Option(help="Have the service send it, to this endpoint: `whe_…`.")]
Kind = Annotated[str, typer.Argument(metavar="EVENT", help="Its name, such as job.succeeded.")]
Sample = Annotated[str, typer.Option("--event", help="What to send.")]
Receiver = Annotated[str, typer.Argument(metavar="URL", help="The receiver. It may be on this machine.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("listen")(listen)
    app.command("trigger")(trigger)
    webhooks = typer.Typer()
    app.add_typer(webhooks, name="webhooks", help="Receivers of webhooks.", no_args_is_help=True)
    webhooks.callback()(_group)
    webhooks.command("certify")(certify)


def _group() -> None:
    # With one command and no callback, Typer would put the command in the group's place.
    pass


def listen(forward_to: ForwardTo, events: Events = None, start: From = "now", url: Url = None) -> None:
    """Follow your tenant's events, and forward each to a receiver, signed as a webhook is.

    The API key comes from REELQUEUE_API_KEY, else from the `reelqueue dev` of this directory. Messages are signed with
    REELQUEUE_WEBHOOK_SECRET, else with a secret that is made once and kept for you. `r` sends the last one again.
    """
    from reelqueue.cli.client import ApiClient, ApiRefused, find_api  # noqa: PLC0415 - see `cli/__init__.py`
    from reelqueue.cli.hooks.follow import Following, follow  # noqa: PLC0415
    from reelqueue.kit.http import httpx  # noqa: PLC0415

    api = find_api(url, None)
    wanted = Following(
        api_url=api.url,
        forward_to=_checked(forward_to),
        types=tuple(name.strip() for name in (events or "").split(",") if name.strip()),
        begin=_begin(start),
    )
    try:
        follow(ApiClient(api), wanted, _lines())
    except ApiRefused as error:
        _fail(str(error))
    except httpx.TransportError as error:
        _fail(f"{api.url} does not answer ({type(error).__name__})")


def trigger(kind: Kind, forward_to: SendTo = None, endpoint: EndpointId = None, url: Url = None) -> None:
    """Send a sample of an event: to an endpoint through the service, or from here to any receiver.

    From here it is signed as `listen` signs, and no gateway is needed.
    """
    from reelqueue.cli.client import ApiClient, ApiRefused, find_api  # noqa: PLC0415 - see `cli/__init__.py`
    from reelqueue.cli.hooks.sample import forward_sample  # noqa: PLC0415
    from reelqueue.kit.http import httpx  # noqa: PLC0415

    if (forward_to is None) == (endpoint is None):
        raise typer.BadParameter("give one of them", param_hint="--forward-to or --endpoint")
    if forward_to is not None:
        if not forward_sample(kind, _checked(forward_to), _lines()):
            raise typer.Exit(1)
        return
    assert endpoint is not None
    api = find_api(url, None)
    client = ApiClient(api)
    try:
        sent = client.test_endpoint(endpoint, kind)
    except ApiRefused as error:
        _fail(str(error))
    except httpx.TransportError as error:
        _fail(f"{api.url} does not answer ({type(error).__name__})")
    finally:
        client.close()
    _lines().say(f"A sample of {kind} is on its way to {endpoint}: {sent['message']}", **sent)


def certify(url: Receiver, kind: Sample = "job.succeeded") -> None:
    """Send a receiver all that it will meet one day, and report how it answers. Exit code 0 if nothing is wrong.

    Duplicates, reordered and unknown events, large bodies, forged and stale messages, a secret being replaced. The
    messages are samples, signed with REELQUEUE_WEBHOOK_SECRET, else with the secret of `listen`.
    """
    from reelqueue.cli.hooks.certify import certified  # noqa: PLC0415 - see `cli/__init__.py`

    if not certified(_checked(url), kind, _lines()):
        raise typer.Exit(1)


def _lines() -> Lines:
    from rich.console import Console  # noqa: PLC0415 - see `cli/__init__.py`

    from reelqueue.cli.hooks.lines import Lines  # noqa: PLC0415

    return Lines(Console(highlight=False))


def _begin(start: str) -> int | None:
    if start == "now":
        return None
    if not (start.isascii() and start.isdigit()):
        raise typer.BadParameter("it is `now` or a number", param_hint="--from")
    return int(start)


def _checked(url: str) -> str:
    from reelqueue.egress import UrlInvalid  # noqa: PLC0415 - see `cli/__init__.py`
    from reelqueue.egress.destination import parse  # noqa: PLC0415

    try:
        parse(url)
    except UrlInvalid as error:
        raise typer.BadParameter(str(error)) from None
    return url


def _fail(words: str) -> None:
    typer.echo(f"reelqueue: {words}", err=True)
    raise typer.Exit(1)
