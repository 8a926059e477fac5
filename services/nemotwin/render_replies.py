"""What the render endpoints say of a render: every spelling a client has to understand (`contract §4.8`, `§8.3`)."""

from typing import Any, assert_never

from nemotwin.renders import Render, Status
from nemotwin.settings import Settings, UrlKey

_SYNONYMS: dict[Status, str] = {"completed": "succeeded", "failed": "error"}
_BACKWARDS = (70, 55, 62, 30, 10)


def spell(render: Render, settings: Settings, *, now: float, url: str) -> dict[str, Any]:
    """Return the reply: shape A (`wrapped`), B (`bare`), or a `mixed` one with the status outside and the rest inside.

    A completed render that still hides its URL does so once less each time.
    """
    status, percent = render.look(now)
    told: dict[str, Any] = {}
    told["state" if settings.render_words == "synonyms" else "status"] = (
        _SYNONYMS.get(status, status) if settings.render_words == "synonyms" else status
    )
    told |= _progress(render, percent)
    result: dict[str, Any] = {}
    if status == "completed" and render.hidden_urls > 0:
        render.hidden_urls -= 1
    elif status == "completed":
        result = _url(settings, url, render)
    failed = {} if render.error is None else {"error": render.error}
    match settings.render_shape:
        case "bare":
            return {"taskId": render.render_id, **told, **result, **failed}
        case "wrapped":
            data = {"id": render.render_id, **told, **result, **_times(render, status), **failed}
            return {"success": True, "data": data}
        case "mixed":
            data = {"id": render.render_id, **result, **_times(render, status), **failed}
            return {"success": True, **told, "data": data}


def _progress(render: Render, percent: int) -> dict[str, Any]:
    match render.progress:
        case "usual":
            return {"progress": percent}
        case "backwards":
            return {"progress": percent if percent == 100 else _BACKWARDS[render.looks % len(_BACKWARDS)]}
        case "missing":
            return {}
        case "fraction":
            return {"progress": percent / 100}
        case "text":
            return {"progress": f"{percent}%"}
        case _:
            assert_never(render.progress)


def _url(settings: Settings, url: str, render: Render) -> dict[str, Any]:
    key: UrlKey = settings.render_url_key
    if key == "usual":
        key = "output.url" if settings.render_shape == "bare" else "outputUrl"
    if key == "output.url":
        return {"output": {"url": url, "duration": render.film_seconds, "size": render.size}}
    return {key: url}


def _times(render: Render, status: Status) -> dict[str, Any]:
    if status != "completed" or render.completed_at is None:
        return {}
    return {"createdAt": round(render.created_at * 1000), "completedAt": round(render.completed_at * 1000)}
