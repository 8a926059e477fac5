"""The second origin: finished films, raw clips and uploads, for anyone who knows the URL (`contract §2.1`)."""

import re

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from nemotwin.errors import storage_error
from nemotwin.renders import EXPIRES
from nemotwin.requests import world_of
from nemotwin.world import World

_STORED = re.compile(r"[0-9a-f]{64}\.[a-z0-9]+")


async def film(request: Request) -> Response:
    """`GET /render-result/{id}.mp4`, with ranges."""
    world = world_of(request)
    _refuse_bearer(request, world)
    render = world.renders.by_id.get(request.path_params["name"].removesuffix(".mp4"))
    if render is None or render.completed_at is None or render.path is None:
        raise HTTPException(404)
    if world.renders.expired(request.query_params.get(EXPIRES)):
        return storage_error(403, "AccessDenied", "Request has expired")
    return FileResponse(render.path, media_type="video/mp4")


async def raw_clip(request: Request) -> Response:
    """`GET /generated/{clip}.mp4`, which is there as soon as stage one is over."""
    world = world_of(request)
    _refuse_bearer(request, world)
    path = await world.clips.film(request.path_params["name"].removesuffix(".mp4"))
    if path is None:
        raise HTTPException(404)
    return FileResponse(path, media_type="video/mp4")


async def uploaded(request: Request) -> Response:
    """`GET /uploads/{hash}/{filename}`."""
    world = world_of(request)
    _refuse_bearer(request, world)
    stored = request.path_params["stored"]
    path = world.uploads.folder / stored
    if not _STORED.fullmatch(stored) or not path.is_file():
        raise HTTPException(404)
    return FileResponse(path)


def _refuse_bearer(request: Request, world: World) -> None:
    if world.dials.now.cdn_refuses_bearer and "authorization" in request.headers:
        raise HTTPException(400, "Only one auth mechanism allowed")


def cdn_app(world: World) -> Starlette:
    """Return the app of the second origin."""
    app = Starlette(
        routes=[
            Route("/render-result/{name:path}", film, methods=["GET"]),
            Route("/generated/{name}", raw_clip, methods=["GET"]),
            Route("/uploads/{stored}/{filename}", uploaded, methods=["GET"]),
        ]
    )
    app.state.world = world
    return app
