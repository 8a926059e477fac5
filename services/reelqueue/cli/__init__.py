"""The `reelqueue` command. Each command imports what it needs when it runs, so that `--help` is quick."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line. Errors of ours become one line and exit code 1 or 2, never a traceback."""
    from reelqueue.cli.app import app  # noqa: PLC0415 - see the module's docstring
    from reelqueue.dev.errors import DevStackError  # noqa: PLC0415
    from reelqueue.errors import ReelqueueError  # noqa: PLC0415
    from reelqueue.settings import SettingsInvalid  # noqa: PLC0415

    try:
        app()
    except SettingsInvalid as error:
        sys.exit(f"reelqueue: the settings are incomplete or contradict each other:\n{error}")
    except (ReelqueueError, DevStackError) as error:
        sys.exit(f"reelqueue: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
