"""Become another program: `launcher.py PARENT SIGNAL UID GID PROGRAM [ARGUMENT…]`; `-` leaves a setting alone.

Run as a script, with an isolated interpreter, between `fork` and the real program. It gives up root (UID, GID) and, on
Linux, asks the kernel to send SIGNAL when the thread that started it ends (`prctl(2)`, PR_SET_PDEATHSIG). A hook inside
the fork could do the same, but Python code there can deadlock when the parent has threads, and ours has.
"""

from __future__ import annotations

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1
_COULD_NOT_START = 127


def _tie_to(parent: int, signal_number: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal_number) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it died before we asked
        os.kill(os.getpid(), signal_number)


def main(arguments: list[str]) -> None:
    """Replace this process; returns never."""
    parent, signal_number, uid, gid, *command = arguments
    try:
        if uid != "-":
            os.setgroups([])
            os.setgid(int(gid))
            os.setuid(int(uid))
        if signal_number != "-":  # after setuid: the kernel forgets the request when the user changes
            _tie_to(int(parent), int(signal_number))
        os.execvp(command[0], command)  # noqa: S606 - the caller's own command, no shell
    except OSError as error:
        sys.stderr.write(f"cannot start {command[0]}: {error}\n")
        sys.stderr.flush()
        os._exit(_COULD_NOT_START)


if __name__ == "__main__":
    main(sys.argv[1:])
