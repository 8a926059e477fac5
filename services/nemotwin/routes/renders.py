"""Renders: `contract §4.7` to `§4.10`, under the path of today (`lambda`) and the earlier one (`draft`)."""

import json
from typing import Any

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from nemotwin.accounts import Account
from nemotwin.errors import RefusalError, render_refusal
from nemotwin.ledger import RenderEntry
from nemotwin.render_replies import spell
from nemotwin.renders import Render
from nemotwin.requests import Caller, body_of, caller_of
from nemotwin.sessions import Session
from nemotwin.settings import ExportRule


class RenderBody(BaseModel):
    """An export. `sessionId` is the one name in camelCase; the id is the caller's choice."""

    id: str = Field(min_length=1, max_length=200)
    session_id: str = Field(validation_alias="sessionId")
    draft: dict[str, Any] | str
    output: dict[str, Any] = {}


async def submit(request: Request) -> Response:
    """`POST /api/render/proxy/lambda`."""
    caller = caller_of(request, "read")
    body = await body_of(request, RenderBody)
    world, seen, twist = caller.world, caller.exchange.entry, caller.exchange.render
    session = world.sessions.get(body.session_id, caller.token.user_id)
    entry = RenderEntry(
        **world.ledger.marks(seen),
        render_id=body.id,
        session_id=session.session_id,
        accepted=True,
        draft_verbatim=_verbatim(body.draft, session),
    )
    world.ledger.book.renders.append(entry)
    try:
        _scoped(caller)
        if _refused(world.dials.now.export_rule, caller.account, attributed=seen.attributed):
            raise render_refusal(402, "export is not available on this plan")
        render = world.renders.submit(session, body.id, body.draft, body.output, entry=entry)
    except RefusalError as refusal:
        entry.accepted, entry.refusal, entry.status = False, str(refusal.body["error"]), "refused"
        raise
    render.twist(twist)
    # As of its beginning: with a fast clock it could be further by now.
    return _reply(caller, render, now=render.created_at)


async def status(request: Request) -> Response:
    """`GET /api/render/proxy/lambda/{id}`."""
    caller = caller_of(request, "read")
    render = _render(caller, request)
    render.looks += 1
    render.twist(caller.exchange.render)
    return _reply(caller, render)


async def download(request: Request) -> Response:
    """`GET /api/render/proxy/{id}/download`: bytes, or what a fault or the settings say."""
    caller = caller_of(request, "read")
    render = _render(caller, request)
    if render.completed_at is None or render.path is None:
        raise RefusalError(404, {"success": False, "error": "render is not completed"})
    match caller.exchange.render.download or caller.world.dials.now.download:
        case "bytes":
            return FileResponse(render.path, media_type="video/mp4", filename="output.mp4")
        case "json":
            return _reply(caller, render)
        case "redirect":
            return RedirectResponse(caller.world.renders.url(render), 302)


async def cancel(request: Request) -> Response:
    """`POST /api/render/proxy/lambda/{id}/cancel`."""
    caller = caller_of(request, "read")
    render = _render(caller, request)
    caller.world.renders.cancel(render)
    return _reply(caller, render)


def _render(caller: Caller, request: Request) -> Render:
    return caller.world.renders.get(request.path_params["id"], caller.token.user_id)


def _verbatim(draft: dict[str, Any] | str, session: Session) -> bool:
    if isinstance(draft, str):
        try:
            draft = json.loads(draft)
        except ValueError:
            return False
    return bool(draft == session.decorated(session.state)["draft"])


def _refused(rule: ExportRule, account: Account, *, attributed: bool) -> bool:
    match rule:
        case "missing_headers":
            return not attributed
        case "missing_headers_without_credits":
            return not attributed and account.available == 0
        case "free_plan":
            return not attributed or account.plan != "paid"
        case "off":
            return False


def _scoped(caller: Caller) -> None:
    """Refuse a token without the scope `render`, as the settings say (`contract §4.1`)."""
    rule = caller.world.dials.now.render_scope
    if rule != "ignored" and not caller.token.may("render"):
        raise render_refusal(int(rule), "token has no render scope")


def _reply(caller: Caller, render: Render, *, now: float | None = None) -> Response:
    world = caller.world
    now = world.clock.now() if now is None else now
    return JSONResponse(spell(render, world.dials.now, now=now, url=world.renders.url(render)))


ROUTES = [
    Route("/api/render/proxy/lambda", submit, methods=["POST"]),
    Route("/api/render/proxy/draft", submit, methods=["POST"]),
    Route("/api/render/proxy/lambda/{id}/cancel", cancel, methods=["POST"]),
    Route("/api/render/proxy/lambda/{id}", status, methods=["GET"]),
    Route("/api/render/proxy/{id}/cancel", cancel, methods=["POST"]),
    Route("/api/render/proxy/{id}/download", download, methods=["GET"]),
    Route("/api/render/proxy/{id}", status, methods=["GET"]),
]
