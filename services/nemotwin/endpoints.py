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

_SESSION: Final = re.compile(r"/api/(?:upload-video|state)/[^/]+/[^/]+/([^/]+)")


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
