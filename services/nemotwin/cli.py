"""The command `nemotwin`."""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import uvloop
from pydantic import ValidationError

from nemotwin.scenarios.reading import ScenarioError, read
from nemotwin.server import Place, serve
from nemotwin.settings import Settings, changed
from nemotwin.world import World

SCENARIOS: Final = "NEMOTWIN_SCENARIOS"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the twin until SIGTERM or SIGINT; return the exit code."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    names = ("speed", "seed", "silent_rate", "instant", "film_max_side", "requests_per_minute", "parallel_turns")
    try:
        settings = changed(Settings(), {name: getattr(arguments, name) for name in names})
    except ValidationError as error:
        found = error.errors()[0]
        parser.error(f"--{str(found['loc'][0]).replace('_', '-')}: {found['msg']}")
    try:
        scenarios = {} if arguments.scenarios is None else read(arguments.scenarios.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ScenarioError) as error:
        parser.error(f"--scenarios: {error}")
    world = partial(World, settings, scenarios=scenarios)
    if arguments.data is not None:
        arguments.data.mkdir(parents=True, exist_ok=True)
        _run(world, arguments.data, arguments)
        return 0
    with tempfile.TemporaryDirectory(prefix="nemotwin-") as folder:
        _run(world, Path(folder), arguments)
    return 0


def _run(world: Callable[[Path], World], folder: Path, arguments: argparse.Namespace) -> None:
    place = Place(
        host=arguments.host,
        port=arguments.port,
        cdn_port=arguments.cdn_port,
        state_file=None if arguments.data is None else folder / "state.json",
        ready_file=arguments.ready_file,
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_twin(world, folder, place))


async def _twin(world: Callable[[Path], World], folder: Path, place: Place) -> None:
    await serve(world(folder), place)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nemotwin", description="A stateful stand-in for the NemoVideo API, with a clock that can run faster."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port of the API; 0 takes a free one")
    parser.add_argument("--cdn-port", type=int, default=0, help="port of the file origin; 0 takes a free one")
    parser.add_argument("--speed", type=float, default=1.0, help="virtual seconds in a real one (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of all chance (default: %(default)s)")
    parser.add_argument("--data", type=Path, help="folder that keeps sessions, credits and ledger over a restart")
    parser.add_argument("--silent-rate", type=float, default=0.30, help="share of edits without a word")
    parser.add_argument("--instant", action="store_true", help="turns and renders take no time, films are a tiny one")
    parser.add_argument("--film-max-side", type=int, default=1920, help="longest side of a film in pixels")
    parser.add_argument("--requests-per-minute", type=int, default=0, help="what a token may ask; 0 is no limit")
    parser.add_argument("--parallel-turns", type=int, default=0, help="turns of a token at a time; 0 is no limit")
    parser.add_argument(
        "--scenarios", type=Path, default=_given(SCENARIOS), help=f"YAML file of more scenarios [env: {SCENARIOS}]"
    )
    parser.add_argument("--ready-file", type=Path, help="file to write {url, cdn_url, pid} to once it listens")
    return parser


def _given(name: str) -> Path | None:
    value = os.environ.get(name)
    return Path(value) if value else None


if __name__ == "__main__":
    sys.exit(main())
