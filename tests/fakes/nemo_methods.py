"""Every method of the client: what it asks for, and a way to call it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from reelqueue.domain.upstream import Credential, LocalFile, OutputSpec, TurnControl
from reelqueue.nemo.client import NemoClient
from reelqueue.nemo.error_table import Call

SID = "5529798706024415232"

Method = Callable[[NemoClient, Credential, Path], Any]


def _upload(client: NemoClient, credential: Credential, folder: Path) -> Any:
    file = folder / "a.jpg"
    file.write_bytes(b"jpeg")
    return client.upload_files(credential, SID, [LocalFile(file, "a.jpg", "image/jpeg")])


METHODS: dict[str, tuple[str, str, Method]] = {
    "anonymous_token": (
        "POST",
        "/api/auth/anonymous-token",
        lambda client, credential, folder: client.anonymous_token("client-1"),
    ),
    "create_session": (
        "POST",
        "/api/tasks/me/with-session/nemo_agent",
        lambda client, credential, folder: client.create_session(credential, name="project", language="en"),
    ),
    "upload_files": ("POST", f"/api/upload-video/nemo_agent/me/{SID}", _upload),
    "upload_urls": (
        "POST",
        f"/api/upload-video/nemo_agent/me/{SID}",
        lambda client, credential, folder: client.upload_urls(credential, SID, ["https://h/v.mp4"]),
    ),
    "balance": ("GET", "/api/credits/balance/simple", lambda client, credential, folder: client.balance(credential)),
    "state": (
        "GET",
        f"/api/state/nemo_agent/me/{SID}/latest",
        lambda client, credential, folder: client.state(credential, SID),
    ),
    "submit_render": (
        "POST",
        "/api/render/proxy/lambda",
        lambda client, credential, folder: client.submit_render(
            credential, render_id="render_1", session_id=SID, draft={"t": []}, output=OutputSpec()
        ),
    ),
    "render_report": (
        "GET",
        "/api/render/proxy/lambda/render_1",
        lambda client, credential, folder: client.render_report(credential, "render_1"),
    ),
    "cancel_render": (
        "POST",
        "/api/render/proxy/lambda/render_1/cancel",
        lambda client, credential, folder: client.cancel_render(credential, "render_1"),
    ),
    "download_render": (
        "GET",
        "/api/render/proxy/render_1/download",
        lambda client, credential, folder: client.download_render(
            credential, "render_1", bytearray().extend, max_bytes=9
        ),
    ),
    "claim_token": (
        "POST",
        "/api/auth/claim-token",
        lambda client, credential, folder: client.claim_token(credential, task_id="task_1", session_id=SID),
    ),
    "run_turn": (
        "POST",
        "/run_sse",
        lambda client, credential, folder: client.run_turn(
            credential,
            session_id=SID,
            text="add a title",
            control=TurnControl(lambda: None),
            on_progress=lambda progress: None,
        ),
    ),
}

BY_CALL: dict[Call, str] = {
    Call.UPLOAD: "upload_files",
    Call.RENDER_SUBMIT: "submit_render",
    Call.RENDER_POLL: "render_report",
    Call.RENDER_CANCEL: "cancel_render",
    Call.RENDER_DOWNLOAD: "download_render",
}
"""Methods that have another name than their call."""


def ask(client: NemoClient, call: Call, credential: Credential, folder: Path) -> Any:
    """Make that call."""
    return METHODS[BY_CALL.get(call, call.value)][2](client, credential, folder)
