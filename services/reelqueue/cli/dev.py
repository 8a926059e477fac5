"""`dev` and `demo`: the whole service on this machine, with nothing installed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = Path("examples") / "pictures"
INSTRUCTION = 'Animate these pictures into a 6-second cinematic video, add the title "Golden Hour" and soft music'

Port = Annotated[int, typer.Option(help="Port of the gateway; 0 takes a free one.")]
Data = Annotated[Path, typer.Option(help="Where everything is kept.")]
Upstream = Annotated[str | None, typer.Option(help="A real NemoVideo instead of the stand-in.")]
Token = Annotated[str | None, typer.Option(help="The token for it.", envvar="NEMO_TOKEN")]
Speed = Annotated[float, typer.Option(min=0.01, help="How many times faster the stand-in's clock and our waits run.")]
Images = Annotated[list[Path] | None, typer.Option("--image", help="A picture; repeatable.")]
Instruction = Annotated[str, typer.Option(help="What to make of it.")]
Out = Annotated[Path, typer.Option(help="Where to leave the video.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("dev")(dev)
    app.command("demo")(demo)


def dev(
    port: Port = 8000,
    data: Data = Path(".dev"),
    upstream: Upstream = None,
    token: Token = None,
    speed: Speed = 1.0,
) -> None:
    """Keep the whole service up until Ctrl-C, with Postgres, Valkey and a stand-in for NemoVideo."""
    import threading  # noqa: PLC0415 - see `cli/__init__.py`

    from reelqueue.dev.stack import DevStack, StackOptions  # noqa: PLC0415
    from reelqueue.dev.supervisor import stop_on_signals  # noqa: PLC0415

    _quiet_logs()
    if upstream is not None and token is None:
        raise typer.BadParameter("a real upstream needs a token", param_hint="--token")
    stop = threading.Event()
    options = StackOptions(data=data, port=port or None, upstream=upstream, token=token, speed=speed)
    with stop_on_signals(stop):
        typer.echo("Starting")
        stack = DevStack(options)
        content = stack.start(stop)
        _welcome(content, data)
        stack.run_until(stop)
    typer.echo(f"Stopped. The data stay in {data}.")


def demo(
    images: Images = None,
    instruction: Instruction = INSTRUCTION,
    data: Data = Path(".demo"),
    out: Out = Path("out") / "reel.mp4",
) -> None:
    """Make one video, from nothing to a playable MP4 and a verified webhook, then stop everything."""
    from rich.console import Console  # noqa: PLC0415 - see `cli/__init__.py`

    from reelqueue.cli.demo import DemoFailed, DemoOptions, run_demo  # noqa: PLC0415

    _quiet_logs()
    chosen = images or sorted(EXAMPLES.glob("*.png"))
    for path in chosen:
        if not path.is_file():
            raise typer.BadParameter(f"no such file: {path}", param_hint="--image")
    if not chosen:
        raise typer.BadParameter(f"no pictures in {EXAMPLES}: run it in the project's directory", param_hint="--image")
    try:
        run_demo(DemoOptions(images=chosen, instruction=instruction, data=data, out=out), Console(highlight=False))
    except DemoFailed as error:
        typer.echo(f"The demo failed: {error}\nLogs are in {data / 'logs'}", err=True)
        raise typer.Exit(1) from error


def _quiet_logs() -> None:
    """On the terminal only what goes wrong; the rest is in the log files."""
    from reelqueue.kit.logs import configure_logs  # noqa: PLC0415

    configure_logs(process="dev", style="console", level="warning")


def _welcome(content: dict[str, object], data: Path) -> None:
    pids = content["pids"]
    assert isinstance(pids, dict)
    lines = [
        ("gateway", content["base_url"]),
        ("docs", f"{content['base_url']}/docs"),
        ("API key", content["api_key"]),
        ("tenant", content["tenant"]),
        ("webhooks", content["webhook_secret"]),
        ("twin", content["twin_url"] or "none: a real upstream"),
        ("database", content["database_url"]),
        ("broker", content["redis_url"]),
        ("processes", ", ".join(f"{name} {pid}" for name, pid in pids.items())),
        ("all of it", data / "dev.json"),
        ("logs", data / "logs"),
    ]
    typer.echo("\n".join(f"  {name:<10} {value}" for name, value in lines))
    typer.echo("Ctrl-C stops it. The data stay.")
