"""`/v1/admin`: for whoever runs the service. Not for tenants, whatever scopes their keys have.

The operator shows the token of `gateway.admin_token`. It is a setting and no row: it is there before the first tenant
is, it opens nothing else, and nobody can make another one by way of the API. Without the setting nobody is let in.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi.routing import APIRoute
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response

from reelqueue.errors import AuthenticationRequired
from reelqueue.gateway.auth import Principal, bearer_of
from reelqueue.gateway.context import Call, Gateway

OPERATOR: Final = Principal(tenant_id="", key_id="operator", scopes=frozenset())
"""Owns nothing: an operator's cursor is no tenant's."""


class OperatorRoute(APIRoute):
    """A route that checks the operator's token, then calls the endpoint as `ApiRoute` does."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler that FastAPI calls."""
        endpoint = self.endpoint

        async def handle(request: Request) -> Response:
            gateway: Gateway = request.app.state.gateway
            admit_operator(request, gateway.services.settings.gateway.admin_token)
            call = Call(request.scope, request.receive)
            call.gateway, call.principal = gateway, OPERATOR
            response: Response = await endpoint(call, **request.path_params)
            return response

        return handle


def admit_operator(request: Request, token: SecretStr | None) -> None:
    """Compares in constant time. Raises `AuthenticationRequired`, which never says why."""
    shown = bearer_of(request).encode()
    expected = b"" if token is None else token.get_secret_value().encode()
    if not hmac.compare_digest(shown, expected) or not expected:
        raise AuthenticationRequired
