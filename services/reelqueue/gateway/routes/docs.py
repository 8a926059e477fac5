"""`/docs`, `/docs/errors` and `/openapi.json`."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from reelqueue.gateway.openapi import document_of
from reelqueue.gateway.pages import api_page, errors_page
from reelqueue.gateway.responses import dumps

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def docs(request: Request) -> Response:
    """The API, for people."""
    return api_page(document_of(request.app))


@router.get("/docs/errors")
async def errors() -> Response:
    """Every error code, its meaning and what to do."""
    return errors_page()


@router.get("/openapi.json")
async def openapi(request: Request) -> Response:
    """The API, for machines."""
    return Response(dumps(document_of(request.app)), media_type="application/json")
