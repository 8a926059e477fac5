from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fakes.rawhttp import Handler, RawServer
from fakes.unthrottled import Unthrottled
from reelqueue.domain.upstream import Credential
from reelqueue.kit.clock import SystemClock
from reelqueue.nemo.client import NemoClient
from reelqueue.nemo.headers import Attribution
from reelqueue.nemo.throttle import Throttle
from reelqueue.nemo.transport import CallLimits

TOKEN = "nmv_usr_CANARY-6f1d0b"
WHO = Attribution("reelqueue", "9.9", "server")

Serve = Callable[..., RawServer]
Connect = Callable[..., NemoClient]


@pytest.fixture
def credential() -> Credential:
    return Credential("tok_1", TOKEN)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a raw server for the length of the test."""
    with ExitStack() as stack:

        def start(handler: Handler, *, ssl_context: ssl.SSLContext | None = None) -> RawServer:
            return stack.enter_context(RawServer(handler, ssl_context=ssl_context))

        yield start


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a self-signed certificate for 127.0.0.1 in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture(scope="session")
def client_tls(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


@pytest.fixture
def connect(client_tls: ssl.SSLContext) -> Iterator[Connect]:
    """Make a client of a server or of a URL."""
    clients: list[NemoClient] = []

    def make(
        server: RawServer | str, *, tls: ssl.SSLContext | None = None, throttle: Throttle | None = None, **limits: float
    ) -> NemoClient:
        client = NemoClient(
            server if isinstance(server, str) else server.base_url,
            attribution=WHO,
            limits=replace(CallLimits(connect_s=5, read_s=5, write_s=5, call_total_s=10), **limits),  # type: ignore[arg-type]
            ssl_context=tls or client_tls,
            clock=SystemClock(),
            throttle=throttle or Unthrottled(),
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def closed_port() -> str:
    """The URL of a port where nobody listens."""
    with RawServer(lambda peer: None) as server:
        return server.base_url
