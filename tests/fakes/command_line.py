"""Reading a command line as `reelqueue` would, without running anything; and running one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import typer.main

from reelqueue.cli.app import app

COMMAND_S = 60


def parse_command(words: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """The command's name and its parameters. Fails on a command, an option or a value that does not exist."""
    command: Any = typer.main.get_command(app)
    rest, names = list(words), []
    while hasattr(command, "commands"):
        assert rest, f"{' '.join(names)} needs a command"
        name = rest.pop(0)
        assert name in command.commands, f"no such command: {' '.join([*names, name])}"
        names.append(name)
        command = command.commands[name]
    context = command.make_context(" ".join(names), rest)
    return " ".join(names), dict(context.params)


def run_command(words: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run it as a process to its end, in a pipe."""
    argv = [sys.executable, "-m", "reelqueue", *words]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=COMMAND_S, check=False)
