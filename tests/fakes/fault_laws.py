"""What must be true of a job whatever went wrong: the ledger of the upstream against our tables."""

from __future__ import annotations

from collections.abc import Iterator

from fakes.fault_run import Outcome
from reelqueue.domain.jobs import TERMINAL_EVENTS, Status, WaitingReason

GONE = frozenset({"upstream_token_invalid", "upstream_session_lost"})
"""Errors after which nobody can look any more: only then may a job not know what it cost."""
TOKEN_REFUSALS = frozenset({"401", "1001", "1010", "1011"})
"""Faults that say that the token is dead; a balance that is refused so is not asked for again."""
WAITS = frozenset({WaitingReason.UPSTREAM_BUSY})
"""What a job may wait for without an end in sight: as long as the upstream says 429, nobody fails."""
OURS = frozenset({"internal_error", "poisoned"})
"""Errors that blame us."""


def broken(outcome: Outcome, *, struck: bool = True) -> list[str]:
    """The laws that a job broke, in words."""
    laws = (_history, _turns, _ids, _secrets, _result, _bill, _verdict)
    found = [said for law in laws for said in law(outcome)]
    return [*found, "the fault never struck"] if struck and not outcome.struck else found


def _history(outcome: Outcome) -> Iterator[str]:
    """Events without gaps and one end, or a wait that says for what."""
    job = outcome.job
    seqs, kinds = zip(*outcome.events, strict=True)
    if seqs != tuple(range(1, len(seqs) + 1)):
        yield f"events have gaps: {seqs}"
    ends = [kind for kind in kinds if kind in TERMINAL_EVENTS]
    if job.status.is_final and ends != [f"job.{job.status}"]:
        yield f"the job {job.status}, and its ends are {ends}"
    waits = None if job.waiting is None else job.waiting.reason
    if not job.status.is_final and (ends or waits not in WAITS):
        yield f"the job stands at {job.status} and waits for {job.waiting}, its ends are {ends}"
    if job.error is not None and job.error.code in OURS:
        yield f"our own fault: {job.error.code}"


def _turns(outcome: Outcome) -> Iterator[str]:
    """Whatever happens, an instruction is sent once."""
    turns = len(outcome.ledger["turns"])
    if turns > 1:
        yield f"{turns} turns"
    if turns and "ready" in outcome.turns:
        yield "a turn was taken whose intent says it was not sent"
    if turns > len(outcome.turns):
        yield "a turn without an intent"


def _ids(outcome: Outcome) -> Iterator[str]:
    """Whatever the upstream saw is ours: render ids before they left, session ids or a row that waits for one."""
    seen = {render["render_id"] for render in outcome.ledger["renders"]}
    if seen - outcome.renders:
        yield f"renders that we do not know: {seen - outcome.renders}"
    strange = {session["session_id"] for session in outcome.ledger["sessions"]} - set(outcome.sessions)
    if len(strange) > outcome.sessions.count(None):
        yield f"sessions that we do not know: {strange}"
    if any(upload["duplicate"] for upload in outcome.ledger["uploads"]):
        yield "an input is twice in its session"


def _secrets(outcome: Outcome) -> Iterator[str]:
    for kind in ("tokens_in_urls", "bearers_at_cdn"):
        if outcome.ledger[kind]:
            yield f"{kind}: {outcome.ledger[kind]}"


def _result(outcome: Outcome) -> Iterator[str]:
    """A success is the very film that was made of what one turn has changed."""
    job = outcome.job
    if job.status is not Status.SUCCEEDED:
        return
    assert job.result is not None
    if job.result.sha256 not in outcome.films.values():
        yield f"the result is no film of the upstream's: {job.result.sha256}"
    if [turn["changed_state"] for turn in outcome.ledger["turns"]] != [True]:
        yield f"a success of which the ledger knows nothing: {outcome.ledger['turns']}"


def _bill(outcome: Outcome) -> Iterator[str]:
    """What was charged is spent, what is reserved is at risk, unless the bill says that it does not know."""
    billing = outcome.job.billing
    if billing.certainty == "unknown":
        return
    if (billing.spent, billing.at_risk) != (outcome.charged, outcome.frozen):
        yield f"the bill says {billing}; charged {outcome.charged}, reserved {outcome.frozen}"
    if outcome.job.error is not None and outcome.job.error.spent != billing.spent:
        yield f"the error says {outcome.job.error.spent}, the bill {billing.spent}"


def _verdict(outcome: Outcome) -> Iterator[str]:
    """Where the ledger knows what the turn did, and it can still be looked at, the job knows it too."""
    job, changed = outcome.job, any(turn["changed_state"] for turn in outcome.ledger["turns"])
    code = None if job.error is None else job.error.code
    if code == "outcome_unknown" and changed:
        yield "the turn did its work, and the job calls its outcome unknown"
    told = {receipt["verdict"] for receipt in job.receipts} & {"changed", "unchanged"}
    if told and told != {"changed" if changed else "unchanged"}:
        yield f"the receipts say {told}, the ledger {'changed' if changed else 'unchanged'}"
    refused = {(request["endpoint"], request["fault"]) for request in outcome.ledger["requests"]}
    excused = code in GONE or any(("credits", fault) in refused for fault in TOKEN_REFUSALS)
    if job.billing.certainty == "unknown" and not excused:
        yield f"the job does not know what it cost: {job.billing}"
