"""The help of every command, as JSON: `python -m reelqueue.cli.helps`. For the page that `make docs` writes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from typing import Any, Final

WIDTH: Final = 80


def helps() -> Iterator[tuple[str, str]]:
    """Each command as it is typed, parents first, with its help."""
    import typer.main  # noqa: PLC0415 - only once `main` has set the environment

    from reelqueue.cli.app import app  # noqa: PLC0415

    yield from _below(typer.main.get_command(app), "reelqueue")


def _below(command: Any, name: str) -> Iterator[tuple[str, str]]:
    context = command.context_class(command, info_name=name, terminal_width=WIDTH)
    yield name, command.get_help(context)
    for child, below in getattr(command, "commands", {}).items():
        yield from _below(below, f"{name} {child}")


def main() -> int:
    """Print them."""
    # Plain text, not boxes. Typer reads it when it is imported.
    os.environ["TYPER_USE_RICH"] = "0"
    json.dump(dict(helps()), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
