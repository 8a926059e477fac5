"""What a route has at hand: the gateway's parts, and who is asking."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from reelqueue.gateway.accepting import Accepting
from reelqueue.gateway.auth import Authenticator, Principal
from reelqueue.gateway.cursors import Cursors
from reelqueue.gateway.guests import Guests
from reelqueue.gateway.hub import Hub
from reelqueue.gateway.ports import GatewayServices
from reelqueue.gateway.rates import KeyRates, rate_headers
from reelqueue.gateway.threads import Threads
from reelqueue.jobs.batches import Batching
from reelqueue.jobs.keep_assets import AssetKeeping
from reelqueue.jobs.project_exports import ProjectExports
from reelqueue.jobs.project_messages import ProjectMessages
from reelqueue.jobs.project_views import ProjectViews
from reelqueue.jobs.quote import JobQuote
from reelqueue.jobs.retry import JobRetry
from reelqueue.jobs.submit import JobSubmission
from reelqueue.kit.acting import act_for

F = TypeVar("F", bound=Callable[..., Awaitable[Response]])
_SCOPE: Final = "__reelqueue_scope__"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """One per process."""

    services: GatewayServices
    threads: Threads
    authenticator: Authenticator
    cursors: Cursors
    hub: Hub
    guests: Guests
    submission: JobSubmission
    retrying: JobRetry
    quoting: JobQuote
    project_exports: ProjectExports
    project_messages: ProjectMessages
    project_views: ProjectViews
    batching: Batching
    accepting: Accepting
    asset_keeping: AssetKeeping
    key_rates: KeyRates


class Call(Request):
    """A request whose key was checked."""

    gateway: Gateway
    principal: Principal

    @property
    def tenant_id(self) -> str:
        """Whose request this is. Every look into the store takes it."""
        return self.principal.tenant_id


def scoped(scope: str) -> Callable[[F], F]:
    """Say which scope a route needs. `ApiRoute` enforces it, and the OpenAPI document shows it."""

    def mark(endpoint: F) -> F:
        setattr(endpoint, _SCOPE, scope)
        return endpoint

    return mark


def scope_of(endpoint: Callable[..., Any]) -> str | None:
    """The scope that `scoped` set."""
    return getattr(endpoint, _SCOPE, None)


class ApiRoute(APIRoute):
    """A route that checks the key, then calls the endpoint with a `Call` and the path's parameters.

    Nothing of the request is parsed or solved by FastAPI: bodies are read under our limits, and answers are built
    once. That keeps the refusals ours, and spares an accepted job more than half of what the framework costs.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler that FastAPI calls."""
        endpoint = self.endpoint
        scope = scope_of(endpoint)
        if scope is None:
            raise TypeError(f"{self.path} says no scope")

        async def handle(request: Request) -> Response:
            gateway: Gateway = request.app.state.gateway
            call = Call(request.scope, request.receive)
            call.gateway = gateway
            call.principal = await gateway.authenticator.principal(request)
            # To the end of the request's task, since an answer may stream for as long as it likes.
            act_for(call.principal.tenant_id)
            request.scope["state"]["tenant"] = call.principal.tenant_id
            if call.principal.requests_per_minute is not None:
                await gateway.key_rates.hold(call.principal, request.scope["state"])
            call.principal.require(scope)
            response: Response = await endpoint(call, **request.path_params)
            response.headers.update(rate_headers(request.scope["state"]))
            return response

        return handle
