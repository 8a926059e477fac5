"""The control routes of scenarios: see `nemotwin.control`."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from nemotwin.requests import world_of
from nemotwin.scenarios.reading import ScenarioError


async def list_scenarios(request: Request) -> Response:
    """Show the scenarios, and which session plays which."""
    return JSONResponse(world_of(request).stage.view())


async def load_scenarios(request: Request) -> Response:
    """Load a YAML text."""
    try:
        loaded = world_of(request).stage.load((await request.body()).decode())
    except UnicodeDecodeError:
        return JSONResponse({"detail": "a YAML text in UTF-8 is expected"}, 422)
    except ScenarioError as error:
        return JSONResponse({"detail": str(error)}, 422)
    return JSONResponse({"loaded": loaded})


async def clear_scenarios(request: Request) -> Response:
    """Take away what was loaded."""
    return JSONResponse({"cleared": world_of(request).stage.clear()})


ROUTES = [
    Route("/_twin/scenarios", list_scenarios, methods=["GET"]),
    Route("/_twin/scenarios", load_scenarios, methods=["POST"]),
    Route("/_twin/scenarios", clear_scenarios, methods=["DELETE"]),
]
