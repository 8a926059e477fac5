"""The names of the endpoints, by which faults and the ledger know them."""

import re
from typing import Final, Literal, get_args

Name = Literal[
    "anonymous_token",
    "create_session",
    "run_sse",
    "upload",
    "credits",
    "state",
    "render_submit",
    "render_status",
    "render_download",
    "render_cancel",
    "claim_token",
    "cdn",
]
NAMES: Final[tuple[Name, ...]] = get_args(Name)

_PATTERNS: Final[tuple[tuple[str, re.Pattern[str], Name], ...]] = (
    ("POST", re.compile(r"/api/auth/anonymous-token"), "anonymous_token"),
    ("POST", re.compile(r"/api/auth/claim-token"), "claim_token"),
    ("POST", re.compile(r"/api/tasks/[^/]+/with-session/[^/]+"), "create_session"),
    ("POST", re.compile(r"/run_sse"), "run_sse"),
    ("POST", re.compile(r"/api/upload-video/[^/]+/[^/]+/[^/]+"), "upload"),
    ("GET", re.compile(r"/api/credits/balance/simple"), "credits"),
    ("GET", re.compile(r"/api/state/[^/]+/[^/]+/[^/]+/latest"), "state"),
    ("POST", re.compile(r"/api/render/proxy/(?:lambda|draft)"), "render_submit"),
    ("POST", re.compile(r"/api/render/proxy/(?:lambda/)?[^/]+/cancel"), "render_cancel"),
    ("GET", re.compile(r"/api/render/proxy/[^/]+/download"), "render_download"),
    ("GET", re.compile(r"/api/render/proxy/(?:lambda/)?[^/]+"), "render_status"),
)

OF_A_SESSION: Final[frozenset[Name]] = frozenset(NAMES) - {"anonymous_token", "create_session", "credits"}
"""Whatever names a session, or a render of one."""

_SESSION: Final = re.compile(r"/api/(?:upload-video|state)/[^/]+/[^/]+/([^/]+)")
_SESSION_IN_BODY: Final = re.compile(rb'"session_?[iI]d"\s*:\s*"(\d{19})"')
_RENDER: Final = re.compile(
    r"/api/render/proxy/(?:lambda/)?([^/]+)(?:/(?:download|cancel))?|/render-result/(.+)\.mp4", re.DOTALL
)


def name_of(method: str, path: str) -> Name | None:
    """Return the endpoint that a request is for, or `None`."""
    for known, pattern, name in _PATTERNS:
        if known == method and pattern.fullmatch(path):
            return name
    return None


def session_in(path: str) -> str | None:
    """Return the session that a path names, or `None`."""
    found = _SESSION.match(path)
    return found.group(1) if found else None


def session_in_body(body: bytes) -> str | None:
    """Return the session that a body names, or `None`."""
    found = _SESSION_IN_BODY.search(body)
    return found.group(1).decode() if found else None


def render_in(path: str) -> str | None:
    """Return the render that a path names, on either origin, or `None`."""
    found = _RENDER.fullmatch(path)
    return found.group(1) or found.group(2) if found else None
