"""Why a job waits, and what one would come to, as the API shows them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from reelqueue.domain.repairs import repairs_json
from reelqueue.domain.why import Facts, Why
from reelqueue.jobs.drafts import JobDraft
from reelqueue.jobs.quote import InputQuote, QuotedJob
from reelqueue.kit.clock import rfc3339


def why_document(why: Why) -> dict[str, Any]:
    """The answer, public. Of the shared pool it says nothing that is not the job's own affair."""
    blocker, eta, job = why.blocker, why.eta, why.facts.job
    return {
        "object": "why",
        "job": job.id,
        "status": job.status.value,
        "state": why.state,
        "text": why.text,
        "blocker": None
        if blocker is None
        else {"reason": blocker.reason, "since": rfc3339(blocker.since), "until": _moment(blocker.until)},
        "figures": None if why.state == "ended" else _figures(why.facts),
        "eta": None if eta is None else {name: _shown(value) for name, value in asdict(eta).items()},
        "changes": [
            {"do": one.do, "text": one.text, "until": _moment(one.until), "link": one.link} for one in why.changes
        ],
        "as_of": rfc3339(why.facts.now),
        "links": {"self": f"/v1/jobs/{job.id}/why", "job": f"/v1/jobs/{job.id}"},
    }


def quote_document(draft: JobDraft, quoted: QuotedJob) -> dict[str, Any]:
    """The quote, public."""
    figures = quoted.figures
    return {
        "object": "quote",
        "acceptable": all(one.refused is None for one in quoted.inputs),
        "inputs": [_input(one) for one in quoted.inputs],
        "turns": figures.turns,
        "credits": {"likely": figures.credits_likely, "most": figures.credits_most},
        "wait": {"p50_s": figures.wait_p50_s, "p90_s": figures.wait_p90_s},
        "finish": {"p50": _moment(figures.finish_p50), "p90": _moment(figures.finish_p90)},
        "start_by": _deadline(draft.start_by, figures.start_by),
        "finish_by": _deadline(draft.finish_by, figures.finish_by),
        "basis": figures.basis,
        "samples": figures.samples,
    }


def _figures(facts: Facts) -> dict[str, Any]:
    token, breaker = facts.token, facts.breaker
    return {
        "running": facts.running,
        "max_running": facts.max_running,
        "place": facts.place,
        "share": round(facts.share, 4),
        "paused": facts.paused,
        "project_job": facts.project_job,
        "token": None
        if token is None
        else {
            "id": token.id,
            "own": token.own,
            "full": token.full,
            "slots_in_use": token.slots_in_use,
            "max_slots": token.max_slots,
            "cooling_until": _moment(token.cooling_until),
        },
        "breaker": None
        if breaker is None
        else {"phase": breaker.phase, "state": breaker.state, "next_probe_at": _moment(breaker.next_probe_at)},
    }


def _input(one: InputQuote) -> dict[str, Any]:
    refused = one.refused
    return {
        "repairs": repairs_json(one.repairs),
        "refused": None if refused is None else {"code": refused.code, "message": refused.message, "fix": refused.fix},
    }


def _deadline(by: datetime | None, reach: str | None) -> dict[str, Any] | None:
    return None if by is None else {"at": rfc3339(by), "reach": reach}


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)


def _shown(value: Any) -> Any:
    return rfc3339(value) if isinstance(value, datetime) else value
