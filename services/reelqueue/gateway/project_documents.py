"""Projects, their timelines and versions as the API shows them."""

from __future__ import annotations

from typing import Any

from reelqueue.domain.documents import job_document
from reelqueue.domain.projects import ProjectRecord
from reelqueue.domain.timeline_rows import timeline_document
from reelqueue.domain.timeline_words import timeline_text
from reelqueue.domain.versions import DraftVersion
from reelqueue.jobs.project_messages import Deed
from reelqueue.jobs.project_views import ClaimLink, TimelineView
from reelqueue.kit.clock import rfc3339


def project_document(project: ProjectRecord) -> dict[str, Any]:
    """The project, public. No upstream id is in it."""
    at = f"/v1/projects/{project.id}"
    return {
        "id": project.id,
        "object": "project",
        "state": project.state.value,
        "name": project.name,
        "language": project.language,
        "metadata": dict(project.metadata),
        "external_id": project.external_id,
        "customer": project.customer,
        "version": project.version,
        "live_jobs": list(project.live_jobs),
        "created_at": rfc3339(project.created_at),
        "links": {
            "self": at,
            "jobs": f"/v1/jobs?project={project.id}",
            "timeline": f"{at}/timeline",
            "versions": f"{at}/versions",
        },
    }


def timeline_view_document(project_id: str, view: TimelineView) -> dict[str, Any]:
    """A timeline and where it comes from, public."""
    head = {"object": "timeline", "project": project_id, "version": view.version, "as_of": rfc3339(view.as_of)}
    return {**head, **timeline_document(view.timeline)}


def version_document(version: DraftVersion) -> dict[str, Any]:
    """The version, public, without the draft."""
    return {
        "object": "version",
        "project": version.project_id,
        "number": version.number,
        "job": version.job_id,
        "exportable": version.exportable,
        "duration_ms": version.timeline.duration_ms,
        "text": timeline_text(version.timeline),
        "created_at": rfc3339(version.created_at),
    }


def claim_link_document(link: ClaimLink) -> dict[str, Any]:
    """The link, public. This is the one place that shows it."""
    expires_at = None if link.expires_at is None else rfc3339(link.expires_at)
    return {"object": "claim_link", "url": link.url, "expires_at": expires_at}


def deed_document(deed: Deed, *, balance: dict[str, Any] | None, timeline: dict[str, Any] | None) -> dict[str, Any]:
    """What was done for one step of a message, public."""
    return {
        "intent": deed.intent.value,
        "job": None if deed.job is None else job_document(deed.job),
        "answered": deed.answered,
        "replayed": deed.replayed,
        "note": deed.note,
        "credits": balance,
        "timeline": timeline,
    }
