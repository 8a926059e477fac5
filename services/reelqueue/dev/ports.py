"""Loopback ports for servers of our own."""

from __future__ import annotations

import random
import socket

from reelqueue.dev.errors import ServerFailed

LOOPBACK = "127.0.0.1"

# Below the range from which Linux, macOS and the BSDs hand out ports for outgoing connections, so that a port that
# was ours yesterday is not some browser's today; above the ports that other servers are known by.
_FIRST_PORT, _LAST_PORT = 20_000, 32_000
_ATTEMPTS = 100


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now. True is no reservation: somebody may be quicker."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the servers do it: connections that are still fading out (TIME_WAIT) do not make a port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def choose_port(chance: random.Random, preferred: int | None = None) -> int:
    """A loopback port that is free now: `preferred` if it is, otherwise one by chance.

    The caller still has to expect "address in use", and then choose again.
    """
    if preferred is not None and is_free(preferred):
        return preferred
    for _ in range(_ATTEMPTS):
        port = chance.randint(_FIRST_PORT, _LAST_PORT)
        if is_free(port):
            return port
    raise ServerFailed(f"no free port on {LOOPBACK} between {_FIRST_PORT} and {_LAST_PORT}")
