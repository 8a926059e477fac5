"""Reading a command line as `reelqueue` would, without running anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer.main

from reelqueue.cli.app import app


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
