"""What is told of NemoVideo itself. See `documents` for what holds of all answers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from reelqueue.domain.breakers import Phase
from reelqueue.gateway.schemas.documents import Document, Moment


class UpstreamPhase(Document):
    """A part of NemoVideo. While it is not `closed`, jobs that need it wait with `upstream_degraded`."""

    phase: Phase
    state: Literal["closed", "open", "half_open"] = Field(description="`half_open`: one job is trying it now.")
    since: Moment | None
    reason: str | None = Field(description="An error code, or `operator`.")
    next_probe_at: Moment | None = Field(description="When it is tried again; `null` while it is being tried.")


class Upstream(Document):
    """NemoVideo, as its failures show it."""

    object: Literal["upstream"]
    status: Literal["ok", "degraded"]
    phases: list[UpstreamPhase]
