"""`docs/cli.md`, from what `reelqueue --help` says, command by command.

Asked in a process of its own: the command line is a layer above this one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Final

from reelqueue.dev.docs.markdown import page

_INTRO: Final = """
`reelqueue` is installed with the package; in a checkout it is `.venv/bin/reelqueue`. Processes and the commands for
operators read their [settings](settings.md) from the environment. `submit` and `listen` need only the URL of a gateway
and a key, `trigger --forward-to` and `webhooks certify` not even that.
"""
_ANSWER_S: Final = 60.0


def commands_page() -> str:
    """The page."""
    parts = [
        f"{'##' if name == 'reelqueue' else '###'} `{name}`\n\n```text\n{text.strip()}\n```"
        for name, text in command_helps().items()
    ]
    return page("Command line", _INTRO, *parts, source="`reelqueue --help`")


def command_helps() -> Mapping[str, str]:
    """The help of every command, by what is typed for it, parents first."""
    done = subprocess.run(
        [sys.executable, "-m", "reelqueue.cli.helps"], check=True, capture_output=True, text=True, timeout=_ANSWER_S
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found
