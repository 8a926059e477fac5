"""`/v1/projects`: timelines that several jobs go on with, one after another."""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from reelqueue.domain.projects import ProjectFilter
from reelqueue.domain.routing_phrases import Intent
from reelqueue.errors import NotFound
from reelqueue.gateway import openapi_projects as openapi
from reelqueue.gateway.bodies import JSON, media_type_of, read_json
from reelqueue.gateway.context import ApiRoute, Call, scoped
from reelqueue.gateway.documents import credits_document
from reelqueue.gateway.paging import page
from reelqueue.gateway.preferences import idempotency_key, wait_seconds
from reelqueue.gateway.project_documents import (
    claim_link_document,
    deed_document,
    project_document,
    timeline_view_document,
    version_document,
)
from reelqueue.gateway.queries import Query
from reelqueue.gateway.responses import json_response
from reelqueue.gateway.routes.jobs import answer_accepted, json_or_nothing
from reelqueue.gateway.schemas.project_requests import ExportRequest, MessageRequest, ProjectRequest
from reelqueue.gateway.schemas.strict import checked
from reelqueue.jobs.project_messages import Deed
from reelqueue.kit.ids import is_id

router = APIRouter(route_class=ApiRoute)
LARGEST_VERSION = 2**31 - 1


@router.post("/v1/projects", **openapi.CREATE_PROJECT)
@scoped("jobs:write")
async def create_project(call: Call) -> Response:
    """Makes no session: that is left to the first job."""
    asked = checked(ProjectRequest, await json_or_nothing(call))
    create = partial(call.gateway.services.project_records.create, call.tenant_id, asked.project())
    made = await call.gateway.threads.quick(create)
    return json_response(project_document(made), status=201, headers={"location": f"/v1/projects/{made.id}"})


@router.get("/v1/projects", **openapi.LIST_PROJECTS)
@scoped("jobs:read")
async def list_projects(call: Call) -> Response:
    """Newest first, whoever made them: a job that names no project gets one of its own."""
    query = Query(call)
    cursor, limit = query.one("cursor"), query.limit()
    narrow = ProjectFilter(external_id=query.label("external_id"), customer=query.label("customer"))
    query.done()
    rows = call.gateway.services.project_records
    filters = {"external_id": narrow.external_id, "customer": narrow.customer}
    return await page(
        call,
        lambda before, count: rows.list(call.tenant_id, narrow, before=before, limit=count),
        project_document,
        of="projects",
        cursor=cursor,
        limit=limit,
        filters={name: [value] for name, value in filters.items() if value is not None},
    )


@router.get("/v1/projects/{project_id}", **openapi.GET_PROJECT)
@scoped("jobs:read")
async def get_project(call: Call, project_id: str) -> Response:
    """As it is now."""
    Query(call).done()
    find = partial(call.gateway.services.project_records.find, call.tenant_id, _known(project_id))
    return json_response(project_document(await call.gateway.threads.quick(find)))


@router.get("/v1/projects/{project_id}/timeline", **openapi.GET_TIMELINE)
@scoped("jobs:read")
async def get_timeline(call: Call, project_id: str) -> Response:
    """The newest version that is kept, another one, or what NemoVideo says now."""
    query = Query(call)
    version = query.number("version", default=0, least=1, most=LARGEST_VERSION) or None
    live = bool(query.words("live", ["true", "false"]) == {"true"})
    query.done()
    if live and version is not None:
        raise openapi.two_timelines()
    read = partial(call.gateway.project_views.timeline, call.tenant_id, _known(project_id), version=version, live=live)
    view = await (call.gateway.threads.slow(read) if live else call.gateway.threads.quick(read))
    return json_response(timeline_view_document(project_id, view))


@router.get("/v1/projects/{project_id}/versions", **openapi.LIST_VERSIONS)
@scoped("jobs:read")
async def list_versions(call: Call, project_id: str) -> Response:
    """Newest first."""
    query = Query(call)
    cursor, limit = query.one("cursor"), query.limit()
    query.done()
    services, tenant_id = call.gateway.services, call.tenant_id
    await call.gateway.threads.quick(partial(services.project_records.find, tenant_id, _known(project_id)))
    return await page(
        call,
        lambda before, count: services.versions.list(
            tenant_id, project_id, before=None if before is None else int(before), limit=count
        ),
        version_document,
        of="versions",
        cursor=cursor,
        limit=limit,
        filters={"project": [project_id]},
    )


@router.post("/v1/projects/{project_id}/exports", **openapi.EXPORT_PROJECT)
@scoped("jobs:write")
async def export_project(call: Call, project_id: str) -> Response:
    """A job that renders a version; answered as a submit is."""
    key = idempotency_key(call)
    wait = wait_seconds(call, most=call.gateway.services.settings.gateway.max_wait_s)
    draft = checked(ExportRequest, await json_or_nothing(call)).draft()
    export = partial(call.gateway.project_exports.export, call.tenant_id, _known(project_id), draft, key=key)
    threads = call.gateway.threads
    accepted = await (threads.quick(export) if draft.webhook_url is None else threads.slow(export))
    return await answer_accepted(call, accepted, wait=wait)


@router.post("/v1/projects/{project_id}/claim-link", **openapi.CLAIM_PROJECT)
@scoped("jobs:write")
async def claim_project(call: Call, project_id: str) -> Response:
    """Asks NemoVideo for a link. Not kept here, and not to be cached anywhere."""
    make = partial(call.gateway.project_views.claim_link, call.tenant_id, _known(project_id))
    link = await call.gateway.threads.slow(make)
    return json_response(claim_link_document(link), headers={"cache-control": "no-store"})


@router.post("/v1/projects/{project_id}/messages", **openapi.SEND_MESSAGE)
@scoped("jobs:write")
async def send_message(call: Call, project_id: str) -> Response:
    """202 where a job was made or answered, 200 where everything was done by reading."""
    key = idempotency_key(call)
    media_type_of(call, JSON)
    message = checked(MessageRequest, await read_json(call)).draft()
    take = partial(call.gateway.project_messages.take, call.tenant_id, _known(project_id), message, key=key)
    deeds = await call.gateway.threads.slow(take)
    did = [await _told(call, project_id, deed) for deed in deeds]
    status = 202 if any(deed.job is not None for deed in deeds) else 200
    return json_response({"object": "message", "project": project_id, "did": did}, status=status)


async def _told(call: Call, project_id: str, deed: Deed) -> dict[str, Any]:
    """A deed, with what there was to be read for it."""
    balance = timeline = None
    if deed.intent is Intent.CREDITS:
        read = partial(call.gateway.services.credits.read, call.tenant_id)
        balance = credits_document(await call.gateway.threads.slow(read))
    if deed.intent is Intent.STATUS:
        look = partial(call.gateway.project_views.timeline, call.tenant_id, project_id, version=None, live=False)
        timeline = timeline_view_document(project_id, await call.gateway.threads.quick(look))
    return deed_document(deed, balance=balance, timeline=timeline)


def _known(project_id: str) -> str:
    if not is_id(project_id, "project"):
        raise NotFound
    return project_id
