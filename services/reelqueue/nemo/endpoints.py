"""The upstream's paths. They stand here and nowhere else."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

APP: Final = "nemo_agent"
ME: Final = "me"
"""The user's place in paths and bodies; the upstream finds the user by the token (contract §4)."""

ANONYMOUS_TOKEN: Final = "/api/auth/anonymous-token"  # noqa: S105 - a path
CLAIM_TOKEN: Final = "/api/auth/claim-token"  # noqa: S105 - a path
CREATE_SESSION: Final = f"/api/tasks/{ME}/with-session/{APP}"
RUN_TURN: Final = "/run_sse"
BALANCE: Final = "/api/credits/balance/simple"
SUBMIT_RENDER: Final = "/api/render/proxy/lambda"

_DOTS = re.compile(r"\.*")


def upload(session_id: str) -> str:
    """Where files for a session go (contract §4.4)."""
    return f"/api/upload-video/{APP}/{ME}/{_segment(session_id)}"


def state(session_id: str) -> str:
    """The session's newest state (contract §4.6)."""
    return f"/api/state/{APP}/{ME}/{_segment(session_id)}/latest"


def render(render_id: str) -> str:
    """One poll of an export (contract §4.8)."""
    return f"{SUBMIT_RENDER}/{_segment(render_id)}"


def cancel_render(render_id: str) -> str:
    """Cancel a pending export (contract §4.10)."""
    return f"{SUBMIT_RENDER}/{_segment(render_id)}/cancel"


def download_render(render_id: str) -> str:
    """The fallback download; it has no `lambda` segment (contract §4.9)."""
    return f"/api/render/proxy/{_segment(render_id)}/download"


def _segment(identifier: str) -> str:
    """An id as exactly one path segment. Raises `ValueError` for one that would change the path."""
    if _DOTS.fullmatch(identifier):
        raise ValueError("an id of the upstream must not be empty or dots only")
    return quote(identifier, safe="")
