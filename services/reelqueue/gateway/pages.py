"""Pages for people: the API and its error codes, as plain HTML that loads nothing from anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from starlette.responses import Response

from reelqueue.errors import ReelqueueError

_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "cache-control": "no-cache",
}
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#1b1b1f}"
    "code,pre{font:14px/1.4 ui-monospace,monospace;background:#f3f3f6;border-radius:4px}code{padding:.1em .3em}"
    "pre{padding:.8em;overflow:auto}table{border-collapse:collapse;width:100%}"
    "td,th{text-align:left;vertical-align:top;padding:.3em .6em;border-bottom:1px solid #ddd}"
    "h2{margin-top:2.5rem;border-top:1px solid #ddd;padding-top:1rem}summary{cursor:pointer}"
)


def api_page(document: Mapping[str, Any]) -> Response:
    """The OpenAPI document for people to read."""
    parts = [
        f"<h1>{escape(document['info']['title'])}</h1><p>{escape(document['info'].get('description', ''))}</p>",
        "<p><a href='/openapi.json'>openapi.json</a> · <a href='/docs/errors'>error codes</a></p>",
    ]
    for path, operations in document["paths"].items():
        parts += [_operation(method, path, operation) for method, operation in operations.items()]
    parts.append("<h2>Schemas</h2>")
    for name, schema in sorted(document["components"]["schemas"].items()):
        shown = escape(json.dumps(schema, indent=2, ensure_ascii=False))
        parts.append(
            f"<details id='{escape(name)}'><summary><code>{escape(name)}</code></summary><pre>{shown}</pre></details>"
        )
    return _page("Reelqueue API", "".join(parts))


def errors_page() -> Response:
    """Every code that a problem or a failed job can carry."""
    rows = "".join(
        f"<tr id='{escape(error.code)}'><td><code>{escape(error.code)}</code></td><td>{error.status}</td>"
        f"<td>{_marked((error.__doc__ or '').strip().partition(chr(10))[0])}</td><td>{_marked(error.fix)}</td></tr>"
        for error in sorted(_errors(), key=lambda error: error.code)
    )
    head = "<tr><th>code</th><th>status</th><th>meaning</th><th>what to do</th></tr>"
    return _page("Error codes", f"<h1>Error codes</h1><table>{head}{rows}</table>")


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    anchor = escape(operation["operationId"])
    scope = operation.get("x-required-scope")
    needs = f"<p>Scope <code>{escape(scope)}</code>.</p>" if scope else ""
    parameters = "".join(
        f"<tr><td><code>{escape(one['name'])}</code></td><td>{escape(one['in'])}</td>"
        f"<td>{_marked(one.get('description', ''))}</td></tr>"
        for one in operation.get("parameters", ())
    )
    takes = "".join(
        f"<tr><td><code>body</code></td><td>{escape(media_type)}</td><td>{_reference(content)}</td></tr>"
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items()
    )
    answers = "".join(
        f"<tr><td>{escape(status)}</td><td>{_marked(answer['description'])}</td><td>"
        + " ".join(_reference(content) for content in answer.get("content", {}).values())
        + "</td></tr>"
        for status, answer in sorted(operation["responses"].items())
    )
    return (
        f"<h2 id='{anchor}'><code>{method.upper()} {escape(path)}</code></h2><p>{escape(operation['summary'])}.</p>"
        f"{needs}<table>{parameters}{takes}</table><table>{answers}</table>"
    )


def _reference(content: Mapping[str, Any]) -> str:
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    return f"<a href='#{escape(name)}'>{escape(name)}</a>" if name else ""


def _marked(text: str) -> str:
    """Text with its `code` marked."""
    return "".join(
        f"<code>{escape(part)}</code>" if position % 2 else escape(part)
        for position, part in enumerate(text.split("`"))
    )


def _errors() -> Iterator[type[ReelqueueError]]:
    """Each code once, as the class nearest to the root that carries it says it."""
    seen: set[str] = {ReelqueueError.code}
    found: list[type[ReelqueueError]] = ReelqueueError.__subclasses__()
    while found:
        error = found.pop(0)
        found += error.__subclasses__()
        if error.code not in seen:
            seen.add(error.code)
            yield error


def _page(title: str, body: str) -> Response:
    head = f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{escape(title)}</title>"
    view = "<meta name='viewport' content='width=device-width'>"
    return Response(f"{head}{view}<style>{_STYLE}</style>{body}</html>", media_type="text/html", headers=_HEADERS)
