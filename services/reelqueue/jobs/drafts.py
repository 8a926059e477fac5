"""A job as it was asked for: every member checked by itself, nothing yet looked up or fetched."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from reelqueue.domain.jobs import DEFAULT_POLICIES, Policies, Priority
from reelqueue.domain.outputs import Output
from reelqueue.kit.clock import rfc3339


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftInput:
    """Either an asset id or a URL; `by_upstream` leaves a URL to NemoVideo to fetch."""

    asset_id: str | None = None
    url: str | None = field(default=None, repr=False)
    by_upstream: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDraft:
    """What the caller wants. Uploaded files come beside it and follow `inputs`."""

    instructions: tuple[str, ...]
    inputs: tuple[DraftInput, ...] = ()
    outputs: tuple[Output, ...] = (Output(),)
    language: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    external_id: str | None = None
    customer: str | None = None
    webhook_url: str | None = field(default=None, repr=False)
    finish_by: datetime | None = None
    start_by: datetime | None = None
    priority: Priority = Priority.NORMAL
    policies: Policies = DEFAULT_POLICIES
    project: str | None = None
    """A project whose timeline the job goes on with."""

    @property
    def needs_network(self) -> bool:
        """Whether accepting it means resolving names or fetching files."""
        return self.webhook_url is not None or any(one.url is not None for one in self.inputs)


def fingerprint(draft: JobDraft, file_digests: Iterable[str]) -> str:
    """SHA-256 of what was asked for, in hexadecimal.

    The same for any order of members, for a default said or left out, and for JSON or a form; another for any other
    wish or any other byte of a file. A member that this version does not know yet cannot change it, so a retry across
    a deploy is still a retry.
    """
    asked = {
        **asdict(draft),
        "inputs": [_said(asdict(one)) for one in draft.inputs],
        **_exports(draft.outputs),
        "metadata": dict(draft.metadata),
        "priority": None if draft.priority is Priority.NORMAL else draft.priority,
        "start_by": None if draft.start_by is None else rfc3339(draft.start_by),
        "finish_by": None if draft.finish_by is None else rfc3339(draft.finish_by),
        "files": list(file_digests),
        "policies": None if draft.policies == DEFAULT_POLICIES else asdict(draft.policies),
    }
    canonical = json.dumps(_said(asked), sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _exports(outputs: tuple[Output, ...]) -> dict[str, Any]:
    """None and one are said as they were before there could be several."""
    if len(outputs) > 1:
        return {"outputs": [asdict(output) for output in outputs]}
    return {"outputs": None, "output": asdict(outputs[0]) if outputs else "none"}


def _said(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value}
