"""Run ADK's own API server with the scripted agent, on a port of 127.0.0.1 that the system chooses.

Prints the port, and ends when its standard input does, so that it cannot outlive the tests. Runs in the environment
of requirements-adk.lock. Nothing may leave this machine: see `Fence`.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
import threading
from pathlib import Path
from typing import Any

AGENTS = Path(__file__).parent / "agents"


class Fence:
    """Refuses whatever would leave this machine or start another program, and remembers that it was tried."""

    def __init__(self) -> None:
        self.tried: list[str] = []

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
            address = args[1]
            outside = isinstance(address, tuple) and not _is_loopback(address[0])
        elif event in {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}:
            address = args[0]
            outside = address is not None and not _is_loopback(address)
        else:
            address = args[0] if args else None
            outside = event in {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork"}
        if outside:
            self.tried.append(f"{event} {address!r}")
            raise PermissionError(f"the tests' ADK server may not do this: {event} {address!r}")

    def prove(self) -> None:
        """End the program unless the fence stands. The event is only announced; nothing is sent either way."""
        try:
            sys.audit("socket.connect", None, ("192.0.2.1", 80))
        except PermissionError:
            self.tried.clear()
        else:
            sys.exit("the fence does not stand")


def _is_loopback(host: str | bytes) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def main() -> None:
    fence = Fence()
    sys.addaudithook(fence)
    fence.prove()

    # Only now, so that the fence sees what these do on import.
    import uvicorn
    from google.adk.cli.fast_api import get_fast_api_app

    app = get_fast_api_app(
        agents_dir=str(AGENTS),
        session_service_uri="memory://",
        artifact_service_uri="memory://",
        memory_service_uri="memory://",
        use_local_storage=False,
        web=False,
    )

    @app.get("/scripted/played/{mark}")
    def played(mark: str) -> list[str]:
        from nemo_agent.model import PLAYED

        return list(PLAYED[mark])

    @app.get("/scripted/tried")
    def tried() -> list[str]:
        return list(fence.tried)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))

        def until_input_ends() -> None:
            sys.stdin.buffer.read()
            server.should_exit = server.force_exit = True

        threading.Thread(target=until_input_ends, daemon=True).start()
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        server.run(sockets=[listener])


if __name__ == "__main__":
    main()
