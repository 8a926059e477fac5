"""The app of the first origin: the API, the control routes and the health check."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ExceptionHandler

from nemotwin import control
from nemotwin.errors import CodeError, RefusalError
from nemotwin.requests import InvalidBodyError, world_of
from nemotwin.routes import accounts, renders, scenarios, sessions, turns, uploads
from nemotwin.world import World


async def healthz(request: Request) -> Response:
    """`GET /healthz`: alive, and how many turns are being played."""
    return JSONResponse({"status": "ok", "turns": world_of(request).turns.running})


def _refuse(request: Request, error: Exception) -> Response:
    """Turn each kind of refusal into what the caller sees."""
    match error:
        case CodeError():
            return error.response(http=world_of(request).dials.now.code_status == "http")
        case RefusalError():
            return error.response()
        case InvalidBodyError():
            return error.response()
        case HTTPException():
            return JSONResponse({"detail": error.detail}, error.status_code)
        case _:
            raise error


def api_app(world: World) -> Starlette:
    """Return the app of the first origin."""
    handlers: dict[int | type[Exception], ExceptionHandler] = dict.fromkeys(
        (CodeError, RefusalError, InvalidBodyError, HTTPException), _refuse
    )
    groups = (accounts, sessions, turns, uploads, renders, control, scenarios)
    app = Starlette(
        routes=[Route("/healthz", healthz), *(route for group in groups for route in group.ROUTES)],
        exception_handlers=handlers,
    )
    app.state.world = world
    return app
