"""Uploads: `contract §4.4`."""

from pathlib import PurePosixPath
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from nemotwin.errors import CodeError
from nemotwin.ledger import UploadEntry
from nemotwin.requests import Caller, InvalidBodyError, body_of, caller_of, ok
from nemotwin.sessions import Asset, Session

T = TypeVar("T")


class UrlBody(BaseModel):
    """Upload by URL."""

    urls: list[str] = Field(min_length=1)
    source_type: Literal["url"]


async def upload(request: Request) -> Response:
    """`POST /api/upload-video/nemo_agent/me/{sid}`, as multipart `files` or as JSON `urls`."""
    caller = caller_of(request, "upload")
    session = caller.world.sessions.get(request.path_params["sid"], caller.token.user_id)
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        infos = await _from_form(request, caller, session)
    else:
        infos = await _from_urls((await body_of(request, UrlBody)).urls, caller, session)
    twist = caller.exchange.upload
    if twist.applied:
        session.apply({"video_infos": [*session.state["video_infos"], *infos]}, lag=caller.world.dials.now.state_lag)
    if twist.bad and twist.complains:
        raise CodeError(4001)
    return ok({"files": infos, "session_state_applied": twist.applied})


async def _from_form(request: Request, caller: Caller, session: Session) -> list[dict[str, Any]]:
    """Take every file of the field `files`; all are checked before any is stored."""
    uploads = caller.world.uploads
    async with request.form() as form:
        files = [file for file in form.getlist("files") if isinstance(file, UploadFile)]
        if not files:
            raise InvalidBodyError(
                [{"type": "missing", "loc": ["body", "files"], "msg": "Field required", "input": None}]
            )
        named = [(PurePosixPath(file.filename or "file").name, file) for file in files]
        for name, file in named:
            uploads.check(name, file.size)
        infos = []
        for name, file in _good(named, caller):
            asset, info = await uploads.store(session, name, file.file, applied=caller.exchange.upload.applied)
            _note(caller, session, asset, "multipart")
            infos.append(info)
        return infos


async def _from_urls(urls: list[str], caller: Caller, session: Session) -> list[dict[str, Any]]:
    uploads = caller.world.uploads
    infos = []
    for url in _good(urls, caller):
        name, path = await uploads.fetch(url)
        try:
            with path.open("rb") as source:
                asset, info = await uploads.store(session, name, source, applied=caller.exchange.upload.applied)
        finally:
            path.unlink(missing_ok=True)
        _note(caller, session, asset, "url")
        infos.append(info)
    return infos


def _good(files: list[T], caller: Caller) -> list[T]:
    """Leave out what a fault has found bad."""
    return files[: max(len(files) - caller.exchange.upload.bad, 0)]


def _note(caller: Caller, session: Session, asset: Asset, mode: Literal["multipart", "url"]) -> None:
    caller.world.ledger.book.uploads.append(
        UploadEntry(
            **caller.world.ledger.marks(caller.exchange.entry),
            session_id=session.session_id,
            filename=asset.filename,
            mode=mode,
            sha256=asset.sha256,
            size=asset.size,
            duplicate=any(other.sha256 == asset.sha256 for other in session.assets if other is not asset),
        )
    )


ROUTES = [Route("/api/upload-video/nemo_agent/{user}/{sid}", upload, methods=["POST"])]
