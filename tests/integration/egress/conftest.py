"""Receivers on loopback that misbehave on order, and the two seams of the egress client: resolver and connector."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import itertools
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from reelqueue.egress import EgressClient, EgressPolicy, SystemResolver
from reelqueue.egress.addresses import Address
from reelqueue.egress.connect import dial
from reelqueue.kit.clock import Clock, SystemClock

LOOPBACK = ipaddress.ip_address("127.0.0.1")


@dataclass(frozen=True)
class Request:
    line: str
    headers: dict[str, str]
    body: bytes
    sni: str | None


Handler = Callable[[socket.socket, Request], None]


class Receiver:
    """An HTTP server that hands each request to a handler, which writes whatever bytes it likes."""

    def __init__(self, handler: Handler, *, tls: ssl.SSLContext | None = None, raw: bool = False) -> None:
        self._handler, self._tls, self._raw = handler, tls, raw
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.requests: list[Request] = []
        self.connections = 0
        self.sent = 0
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def url(self, path: str = "/hook", *, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(5)
        for conn in self._open:
            with contextlib.suppress(OSError):
                conn.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                conn, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(conn)
            thread = threading.Thread(target=self._serve, args=(conn,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, conn: socket.socket) -> None:
        conn.settimeout(10)
        try:
            with contextlib.suppress(OSError), conn:
                if self._raw:
                    self._handler(conn, Request("", {}, b"", None))
                    return
                names: list[str | None] = []
                if self._tls is not None:
                    self._tls.sni_callback = lambda _sock, name, _context: names.append(name)
                    conn = self._tls.wrap_socket(conn, server_side=True)
                    self._open.append(conn)
                with conn:
                    request = _read_request(conn, names[0] if names else None)
                    if request is not None:
                        self.requests.append(request)
                        self._handler(conn, request)
        finally:
            conn.close()


def _read_request(conn: socket.socket, sni: str | None) -> Request | None:
    data = b""
    while b"\r\n\r\n" not in data:
        part = conn.recv(65536)
        if not part:
            return None
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    while len(body) < int(headers.get("content-length", "0")):
        part = conn.recv(65536)
        if not part:
            return None
        body += part
    return Request(line, headers, body, sni)


class FakeResolver:
    """Answers as told. A list is one answer after the other, the last one for ever."""

    def __init__(self, answers: dict[str, list[tuple[str, ...] | Exception]]) -> None:
        self._answers = {host: list(sequence) for host, sequence in answers.items()}
        self.asked: list[str] = []

    def resolve(self, host: str, *, timeout_s: float) -> tuple[Address, ...]:
        assert 0 < timeout_s <= 5
        self.asked.append(host)
        sequence = self._answers[host]
        answer = sequence.pop(0) if len(sequence) > 1 else sequence[0]
        if isinstance(answer, Exception):
            raise answer
        return tuple(ipaddress.ip_address(text) for text in answer)


@dataclass
class FakeConnector:
    """Notes every address it is asked to dial, and leads each of them to one loopback port, or nowhere."""

    port: int | None = None
    dialled: list[tuple[Address, int]] = field(default_factory=list)
    received: int = 0

    def __call__(self, address: Address, port: int, timeout_s: float) -> socket.socket:
        assert 0 < timeout_s <= 5
        self.dialled.append((address, port))
        if self.port is None:
            raise ConnectionRefusedError(111, "refused")
        return _Counted(dial(LOOPBACK, self.port, timeout_s), self)

    @property
    def addresses(self) -> list[Address]:
        return [address for address, _ in self.dialled]


class _Counted(socket.socket):
    """A socket that counts what it reads."""

    def __init__(self, sock: socket.socket, counter: FakeConnector) -> None:
        super().__init__(fileno=sock.detach())
        self._counter = counter

    def recv(self, size: int, flags: int = 0) -> bytes:  # type: ignore[override]
        data = super().recv(size, flags)
        self._counter.received += len(data)
        return data


@pytest.fixture
def serve() -> Iterator[Callable[..., Receiver]]:
    receivers: list[Receiver] = []

    def start(handler: Handler, *, tls: ssl.SSLContext | None = None, raw: bool = False) -> Receiver:
        receivers.append(Receiver(handler, tls=tls, raw=raw))
        return receivers[-1]

    yield start
    for receiver in receivers:
        receiver.close()


@dataclass(frozen=True)
class Certificates:
    """A certificate authority of our own, a server it vouches for, and one that vouches for itself."""

    trusting: Callable[[], ssl.SSLContext]
    server: Callable[[], ssl.SSLContext]
    self_signed: Callable[[], ssl.SSLContext]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("tls")
    names = ["*.attacker.example", "media.example", "localhost"]
    ca_key, ca = _certificate("Test CA", names=[], issuer=None)
    key, leaf = _certificate("server", names=names, issuer=(ca_key, ca))
    self_key, self_leaf = _certificate("self", names=names, issuer=None)
    ca_file = folder / "ca.pem"
    ca_file.write_bytes(ca.public_bytes(serialization.Encoding.PEM))

    def serving(name: str, key: ec.EllipticCurvePrivateKey, leaf: x509.Certificate) -> Callable[[], ssl.SSLContext]:
        file = _write_pair(folder / f"{name}.pem", key, leaf)

        def context() -> ssl.SSLContext:
            made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            made.load_cert_chain(file)
            return made

        return context

    return Certificates(
        trusting=lambda: ssl.create_default_context(cafile=str(ca_file)),
        server=serving("server", key, leaf),
        self_signed=serving("self", self_key, self_leaf),
    )


def _certificate(
    common_name: str, *, names: list[str], issuer: tuple[ec.EllipticCurvePrivateKey, x509.Certificate] | None
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    now = dt.datetime.now(dt.UTC)
    signer, issued_by = (issuer[0], issuer[1].subject) if issuer else (key, subject)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issued_by)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if names:
        subjects = [*map(x509.DNSName, names), x509.IPAddress(LOOPBACK)]
        builder = builder.add_extension(x509.SubjectAlternativeName(subjects), critical=False)
    return key, builder.sign(signer, hashes.SHA256())


def _write_pair(file: Path, key: ec.EllipticCurvePrivateKey, leaf: x509.Certificate) -> Path:
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + leaf.public_bytes(serialization.Encoding.PEM))
    return file


class SteppingClock(SystemClock):
    """Each look at it takes a second: a deadline is so many looks, however fast or slow the machine is."""

    def __init__(self) -> None:
        self._ticks = itertools.count()

    def monotonic(self) -> float:
        return float(next(self._ticks))


class ManualClock(SystemClock):
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


@dataclass(frozen=True)
class Kit:
    """What tests build clients from."""

    certificates: Certificates

    resolver: type[FakeResolver] = FakeResolver
    connector: type[FakeConnector] = FakeConnector
    stepping_clock: type[SteppingClock] = SteppingClock
    manual_clock: type[ManualClock] = ManualClock

    def client(
        self,
        *,
        answers: dict[str, list[tuple[str, ...] | Exception]] | None = None,
        connector: FakeConnector | None = None,
        policy: EgressPolicy | None = None,
    ) -> EgressClient:
        """A client that can reach nothing but what the connector leads to."""
        return EgressClient(
            policy or EgressPolicy(),
            FakeResolver(answers or {}),
            ssl_context=self.certificates.trusting(),
            clock=SystemClock(),
            connector=connector or FakeConnector(),
        )

    def local_client(self, *, clock: Clock | None = None) -> EgressClient:
        """A client as in the demo: real sockets, the real resolver, and loopback allowed."""
        policy = EgressPolicy(allow=(ipaddress.ip_network("127.0.0.0/8"),))
        return EgressClient(
            policy, SystemResolver(), ssl_context=self.certificates.trusting(), clock=clock or SystemClock()
        )


@pytest.fixture
def kit(certificates: Certificates) -> Kit:
    return Kit(certificates)
