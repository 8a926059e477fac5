"""Whom the command can reach: those a browser on this machine can."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import IPv4Address, IPv6Address

import pytest

from reelqueue.cli.hooks.way import NearbyResolver, open_way


class OnIPv6(HTTPServer):
    address_family = socket.AF_INET6


class Loopbacks:
    """Leads every name here."""

    def resolve(self, host: str, *, timeout_s: float) -> tuple[IPv4Address | IPv6Address, ...]:
        return IPv4Address("127.0.0.1"), IPv6Address("::1")


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(params=[(HTTPServer, "127.0.0.1"), (OnIPv6, "::1")], ids=["IPv4", "IPv6"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    make, address = request.param
    server = make((address, 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def post(url: str, **how: object) -> int:
    return open_way(**how).post(url, headers={}, body=b"{}", deadline_s=15, max_response_bytes=100).status


def test_localhost_is_whichever_loopback_the_receiver_listens_on(port):
    assert post(f"http://localhost:{port}/hook") == 204


@pytest.mark.parametrize("host", ["web.internal", "shop.test", "web"])
def test_names_of_a_private_network_may_be_called_at_any_port(port, host):
    assert post(f"http://{host}:{port}/hook", resolver=Loopbacks()) == 204


def test_names_are_looked_up_with_this_machines_search_list(monkeypatch):
    asked = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_, **__: asked.append(host) or [])
    NearbyResolver().resolve("web", timeout_s=15)
    assert asked == [b"web"]
