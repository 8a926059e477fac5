"""For machines that watch over us, and for people who read: no key is needed here, and no tenant's data is shown."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from reelqueue.errors import DependencyUnavailable
from reelqueue.gateway import openapi
from reelqueue.gateway.context import Gateway
from reelqueue.gateway.responses import json_response
from reelqueue.kit.metrics import CONTENT_TYPE

router = APIRouter()


@router.get("/healthz", **openapi.HEALTHZ)
async def healthz() -> Response:
    """The process answers."""
    return json_response({"status": "ok"})


@router.get("/readyz", **openapi.READYZ)
async def readyz(request: Request) -> Response:
    """Each thing that the service needs, by itself; 503 if one is down."""
    gateway: Gateway = request.app.state.gateway
    checks = await gateway.threads.slow(lambda: _checks(gateway))
    ready = all(word == "ok" for word in checks.values())
    document = {"status": "ready" if ready else "not ready", "checks": checks}
    return json_response(document, status=200 if ready else 503)


def _checks(gateway: Gateway) -> dict[str, str]:
    services = gateway.services
    # A key that cannot exist: the answer does not matter, only that there is one.
    database = _word(lambda: services.api_keys.find(""))
    return {
        "database": database,
        "migrations": _word(services.health.check) if database == "ok" else "unknown",
        "roles": services.health.role(),
        "broker": "ok" if services.broker_ok() else "down",
    }


def _word(check: Callable[[], object]) -> str:
    try:
        check()
    except DependencyUnavailable:
        return "down"
    return "ok"


@router.get("/metrics", **openapi.METRICS)
async def metrics(request: Request) -> Response:
    """This process's counts, as Prometheus reads them."""
    gateway: Gateway = request.app.state.gateway
    return Response(gateway.services.metrics.render(), headers={"content-type": CONTENT_TYPE})
