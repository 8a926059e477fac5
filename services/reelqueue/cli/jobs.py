"""`submit`: one picture, one instruction, one video."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

Sources = Annotated[list[str] | None, typer.Argument(help="Files or URLs.")]
Instructions = Annotated[list[str] | None, typer.Option("-i", "--instruction", help="What to make; repeatable.")]
Wait = Annotated[bool, typer.Option("--wait", help="Show the progress and wait for the end.")]
Out = Annotated[Path | None, typer.Option(help="Where to write the video; implies --wait.")]
Url = Annotated[str | None, typer.Option(help="The gateway; else REELQUEUE_URL, else the `reelqueue dev` of here.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("submit")(submit)


def submit(
    sources: Sources = None,
    instruction: Instructions = None,
    wait: Wait = False,  # noqa: FBT002 - a flag on the command line
    out: Out = None,
    url: Url = None,
) -> None:
    """Submit a job. The API key comes from REELQUEUE_API_KEY, else from the `reelqueue dev` of this directory."""
    from rich.console import Console  # noqa: PLC0415 - see `cli/__init__.py`

    from reelqueue.cli.client import ApiClient, ApiRefused, find_api  # noqa: PLC0415
    from reelqueue.cli.show import show_progress  # noqa: PLC0415

    if not instruction:
        raise typer.BadParameter("say what to make", param_hint="-i")
    urls, files = _sorted_out(sources or [])
    console = Console()
    client = ApiClient(find_api(url, None))
    try:
        job = client.submit(files=files, urls=urls, fields={"instructions": instruction})
        if not wait and out is None:
            typer.echo(job["id"] if console.is_terminal else json.dumps(job))
            return
        job = show_progress(client.follow(job["id"]), console)
        if job["status"] != "succeeded":
            typer.echo(f"reelqueue: {_why(job)}", err=True)
            raise typer.Exit(1)
        if out is not None:
            told = {"out": str(out), "bytes": client.download(job["id"], out)}
            typer.echo(f"{out}  {told['bytes']:,} bytes" if console.is_terminal else json.dumps(told))
    except ApiRefused as error:
        typer.echo(f"reelqueue: {error}", err=True)
        raise typer.Exit(1) from error
    finally:
        client.close()


def _sorted_out(sources: list[str]) -> tuple[list[str], list[Path]]:
    urls = [source for source in sources if source.startswith(("http://", "https://"))]
    files = [Path(source) for source in sources if source not in urls]
    for file in files:
        if not file.is_file():
            raise typer.BadParameter(f"no such file: {file}", param_hint="SOURCES")
    return urls, files


def _why(job: dict[str, Any]) -> str:
    error = job["error"]
    return f"the job was {job['status']}" if error is None else f"{error['code']}: {error['message']} {error['fix']}"
