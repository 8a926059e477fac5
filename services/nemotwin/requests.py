"""What handlers need of a request: its token, its body, and its line in the ledger."""

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import pydantic
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from nemotwin.accounts import Account, Token
from nemotwin.errors import code_refusal
from nemotwin.exchange import Exchange, exchange_of
from nemotwin.world import World

Body = TypeVar("Body", bound=BaseModel)


class InvalidBodyError(Exception):
    """A body is not what the endpoint takes; `details` are FastAPI's."""

    def __init__(self, details: list[dict[str, Any]]) -> None:
        """Remember the details."""
        super().__init__("invalid body")
        self.details = details

    def response(self) -> Response:
        """Answer 422 as FastAPI does (`contract §3`)."""
        return JSONResponse({"detail": self.details}, 422)


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated request."""

    world: World
    exchange: Exchange
    token: Token
    account: Account


def world_of(request: Request) -> World:
    """Return the twin's memory."""
    world = request.app.state.world
    if not isinstance(world, World):
        raise TypeError(type(world))
    return world


def caller_of(request: Request, scope: Literal["read", "write", "upload"]) -> Caller:
    """Authenticate; raises as `Accounts.authenticate`, and 403 for a token without this scope (`contract §4.12`).

    It is 403 as well where the path names another user than the token's.
    """
    world = world_of(request)
    token = world.accounts.authenticate(request.headers.get("authorization"))
    if not token.may(scope):
        raise code_refusal(403, f"token has no {scope} scope")
    user = request.path_params.get("user", "me")
    if user not in ("me", token.user_id):
        raise HTTPException(403, "Forbidden")
    return Caller(world, exchange_of(request.scope), token, world.accounts.account_of(token))


async def body_of(request: Request, model: type[Body]) -> Body:
    """Read a JSON body; raises `InvalidBodyError`."""
    try:
        return model.model_validate_json(await request.body())
    except pydantic.ValidationError as error:
        details = [
            {"type": found["type"], "loc": ["body", *found["loc"]], "msg": found["msg"], "input": None}
            for found in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise InvalidBodyError(details) from error


def ok(data: dict[str, Any]) -> Response:
    """Answer with the success envelope."""
    return JSONResponse({"code": 0, "data": data})
