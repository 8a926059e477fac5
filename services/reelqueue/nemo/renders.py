"""Exports on the wire: what is asked for, and both shapes of the answer (contract §4.7, §4.8, §8.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reelqueue.domain.upstream import OutputSpec, RenderPhase, RenderReport
from reelqueue.errors import RenderFailed, UpstreamProtocolError
from reelqueue.nemo.envelope import error_text, payload_of
from reelqueue.nemo.error_table import ROWS
from reelqueue.nemo.wire import decimal, text

_PHASES = {
    **dict.fromkeys(("pending", "queued", "submitted", "created", "waiting"), RenderPhase.PENDING),
    **dict.fromkeys(("processing", "running", "rendering", "in_progress", "started"), RenderPhase.PROCESSING),
    **dict.fromkeys(("completed", "complete", "done", "succeeded", "success", "finished"), RenderPhase.COMPLETED),
    **dict.fromkeys((str(row.what) for row in ROWS if row.error is RenderFailed), RenderPhase.FAILED),
}


def submission(render_id: str, session_id: str, draft: Mapping[str, Any], output: OutputSpec) -> dict[str, Any]:
    """The body of a submit. `sessionId` is the one camel-case name of this API; the draft goes back as it came."""
    return {
        "id": render_id,
        "sessionId": session_id,
        "draft": draft,
        "output": {"format": output.format, "quality": output.quality},
    }


def report(body: Mapping[str, Any]) -> RenderReport:
    """One poll, in either shape. A status word that nobody has documented means "still at work".

    Raises `UpstreamProtocolError` if there is neither a status nor a URL.
    """
    data = payload_of(body)
    url = result_url(body)
    phase = _phase(data)
    if phase is None:
        if url is None:
            raise UpstreamProtocolError("NemoVideo's answer says nothing about the render.")
        phase = RenderPhase.COMPLETED
    progress = decimal(data.get("progress"))
    return RenderReport(
        phase=phase,
        progress=None if progress is None else min(100.0, max(0.0, progress)),
        url=url,
        error=error_text(data) if phase is RenderPhase.FAILED else None,
    )


def says_failed(body: Mapping[str, Any]) -> bool:
    """Whether this is the report of a failed render, whatever its envelope says of success."""
    return _phase(payload_of(body)) is RenderPhase.FAILED


def result_url(body: Mapping[str, Any]) -> str | None:
    """Where the finished file lies, in whichever member it is named."""
    data = payload_of(body)
    output = data.get("output")
    nested = output.get("url") if isinstance(output, dict) else output
    for found in (nested, data.get("outputUrl"), data.get("output_url"), data.get("url")):
        if isinstance(found, str) and found.casefold().startswith(("https://", "http://")):
            return found
    return None


def _phase(data: Mapping[str, Any]) -> RenderPhase | None:
    word = text(data.get("status")) or text(data.get("state"))
    return None if word is None else _PHASES.get(word.strip().casefold(), RenderPhase.PROCESSING)
