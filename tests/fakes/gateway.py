"""A real gateway in a thread: uvicorn with our protocol on port 0, the real adapters, files in a directory."""

from __future__ import annotations

import base64
import threading
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cached_property
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from fakes.gateway_jobs import JobDriver
from fakes.told import Told
from reelqueue.domain.api_keys import SCOPES
from reelqueue.gateway.app import create_app
from reelqueue.gateway.protocol import GatewayProtocol
from reelqueue.gateway.server import GRACE_S
from reelqueue.kit.acting import NOBODY
from reelqueue.kit.clock import SystemClock
from reelqueue.settings import Settings
from reelqueue.wiring.services import Services

ADMIN_TOKEN = "operator-" + "7" * 32
MASTER_KEY = base64.b64encode(bytes(range(32))).decode()


def settings_for(database_url: str, root: Path, **gateway: Any) -> Settings:
    return Settings(
        database_url=database_url,
        redis_url="redis://127.0.0.1:1",  # nothing listens there: submitting must not care
        secret_key=MASTER_KEY,
        egress_allow=(ip_network("127.0.0.0/8"),),
        files={"store_url": f"file://{root}/files", "spool_dir": f"{root}/files", "fetch_s": 5.0},
        gateway={"admin_token": ADMIN_TOKEN, **gateway},
    )


class JumpingClock(SystemClock):
    """The machine's clock, and as far ahead of it as a test says."""

    ahead = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.ahead)

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


class ServicesUnderTest(Services):
    """The real ones, with a broker that says what the test wants and a clock that jumps."""

    broker = True

    def __init__(self, settings: Settings, *, process: str = "gateway-test") -> None:
        super().__init__(settings, process=process, whose=NOBODY)
        self.jumping = JumpingClock()
        self.clock = self.jumping

    def broker_ok(self) -> bool:
        return self.broker


class RunningGateway:
    """One gateway, its services, and ways to act as a tenant or as a worker."""

    def __init__(self, services: ServicesUnderTest, root: Path) -> None:
        self.services = services
        self.root = root / "files"
        self.app = create_app(services)
        config = uvicorn.Config(
            self.app,
            host="127.0.0.1",
            port=0,
            http=GatewayProtocol,
            loop="asyncio",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
        )
        self.server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self.server.run, name="gateway-under-test", daemon=True)

    def start(self, wait_until: Any) -> None:
        self._thread.start()
        wait_until(lambda: self.server.started)

    def stop(self) -> None:
        self.server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive(), "the gateway did not stop"
        self.services.close()

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.server.servers[0].sockets[0].getsockname()[:2]
        return host, port

    @property
    def base_url(self) -> str:
        return "http://{}:{}".format(*self.address)

    @cached_property
    def driver(self) -> JobDriver:
        return JobDriver(self.services.service_database)

    def tenant(self, scopes: Iterable[str] = SCOPES) -> TenantClient:
        tenant = self.services.tenants.create(f"t-{uuid.uuid4().hex[:12]}")
        key = self.services.api_keys.create(tenant.id, name="test", scopes=scopes)
        return TenantClient(self, tenant.id, key.id, key.text)

    def operator(self) -> httpx.Client:
        """An HTTP client with the operator's token."""
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        return httpx.Client(base_url=self.base_url, headers=headers, timeout=20, trust_env=False)

    def told(self, tenant_id: str) -> Told:
        return Told(self.services.service_database, self.services.sealer, tenant_id)

    def files(self) -> list[str]:
        """Every file on the disk: kept ones and temporary ones."""
        if not self.root.exists():
            return []
        return sorted(path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_file())


class TenantClient(httpx.Client):
    """An HTTP client with a tenant's key."""

    def __init__(self, gateway: RunningGateway, tenant_id: str, key_id: str, key: str) -> None:
        super().__init__(
            base_url=gateway.base_url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=20,
            trust_env=False,
            # As many kept as there are: a pool of httpcore that has too many idle ones may close one that another
            # thread has just been given (httpcore #1110). Ours have one connection, and are one thread's.
            limits=httpx.Limits(max_connections=200, max_keepalive_connections=200),
        )
        self.gateway = gateway
        self.tenant_id = tenant_id
        self.key_id = key_id
        self.key = key

    def submit(self, **members: Any) -> httpx.Response:
        return self.post("/v1/jobs", json={"instruction": "animate this photo", **members})

    def job(self, **members: Any) -> dict[str, Any]:
        response = self.submit(**members)
        assert response.status_code == 202, response.text
        return dict(response.json())

    def jobs(self) -> list[dict[str, Any]]:
        return list(self.get("/v1/jobs?limit=100").json()["data"])


def assert_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """A whole problem document, with the headers it needs."""
    problem: dict[str, Any] = response.json()
    assert (response.status_code, problem["code"]) == (status, code), response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["status"] == status
    assert problem["request_id"] == response.headers["x-request-id"]
    for member in ("type", "title", "detail", "fix"):
        assert isinstance(problem[member], str)
        assert problem[member]
    assert isinstance(problem["errors"], list)
    return problem


def violations(response: httpx.Response) -> set[tuple[str | None, str]]:
    """Where and by which rule: `(pointer or parameter, code)`."""
    assert_problem(response, 422, "validation_failed")
    return {(one.get("pointer", one.get("parameter")), one["code"]) for one in response.json()["errors"]}
