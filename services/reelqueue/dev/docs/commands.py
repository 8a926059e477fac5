"""`docs/cli.md`, from what `reelqueue --help` says, command by command.

Asked as a user would: the command line is a layer above this one, and its help is what people see.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from reelqueue.dev.docs.markdown import page

_INTRO = """
`reelqueue` is installed with the package; in a checkout it is `.venv/bin/reelqueue`. Processes and the commands for
operators read their [settings](settings.md) from the environment. `submit` needs only the URL of a gateway and a key.
"""
_COMMANDS = re.compile(r"^Commands:\n((?:  .*\n?)+)", re.MULTILINE)
_NAME = re.compile(r"^  ([a-z][a-z-]*)", re.MULTILINE)
_HELP_S = 60.0


def commands_page() -> str:
    """The page."""
    parts = [
        f"{'#' * min(2 + len(command), 3)} `{' '.join(('reelqueue', *command))}`\n\n```text\n{text}\n```"
        for command, text in command_helps()
    ]
    return page("Command line", _INTRO, *parts, source="`reelqueue --help`")


def command_helps() -> Iterator[tuple[tuple[str, ...], str]]:
    """Every command with its help, parents first."""
    with ThreadPoolExecutor(2) as pool:
        level: list[tuple[str, ...]] = [()]
        found: dict[tuple[str, ...], str] = {}
        while level:
            texts = list(pool.map(_help, level))
            found.update(zip(level, texts, strict=True))
            level = [(*command, name) for command, text in zip(level, texts, strict=True) for name in _names(text)]
    yield from sorted(found.items(), key=lambda item: _place(item[0], found))


def _help(command: tuple[str, ...]) -> str:
    environment = {**os.environ, "TYPER_USE_RICH": "0", "COLUMNS": "96", "NO_COLOR": "1"}
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "reelqueue", *command, "--help"],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=_HELP_S,
    )
    return done.stdout.strip().replace("python -m reelqueue", "reelqueue")


def _names(text: str) -> list[str]:
    listed = _COMMANDS.search(text + "\n")
    return [] if listed is None else _NAME.findall(listed[1])


def _place(command: tuple[str, ...], found: dict[tuple[str, ...], str]) -> tuple[int, ...]:
    """Where a command stands in its parents' lists."""
    return tuple(_names(found[command[:depth]]).index(name) for depth, name in enumerate(command))
