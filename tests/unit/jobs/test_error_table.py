"""What the error table says a job does, against what the steps, the verdict and the ruling make of it."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from fakes.engine import NOW, job_input
from fakes.upstream import RESULT_URL, said, state
from reelqueue import errors
from reelqueue.domain.claims import Change, Claim
from reelqueue.domain.jobs import Policies, Status, WaitingReason
from reelqueue.domain.outputs import Output
from reelqueue.domain.retries import RetryPolicy
from reelqueue.domain.rulings import Rules, rule
from reelqueue.domain.tokens import TokenKind
from reelqueue.domain.upstream import CutReason, RenderPhase, RenderReport, TurnCut, TurnEnd
from reelqueue.errors import ReelqueueError
from reelqueue.jobs import steps
from reelqueue.jobs.faults import verdict_on
from reelqueue.jobs.steps import Step
from reelqueue.jobs.steps.ask import AskStep
from reelqueue.nemo.error_table import ERROR_FRAME, NOISE, ROWS, UNUSED, Call, Row, Then, Where, row_of

STEPS = Path(steps.__file__).parent
RULES = Rules(retries=RetryPolicy(max_attempts=3, base_s=4, cap_s=60))
CLIP = state("clip")
DONE = RenderReport(RenderPhase.COMPLETED, 100.0, RESULT_URL)
WORKING = RenderReport(RenderPhase.PROCESSING, 5.0)
TWO = (Output(quality="low"), Output(quality="high"))
WAITS = {
    WaitingReason.UPSTREAM_BUSY: Then.WAITS,
    WaitingReason.TOKEN_RATE: Then.WAITS,
    WaitingReason.TOKEN_COOLING: Then.WAITS,
    WaitingReason.TOKEN_BLOCKED: Then.WAITS,
    WaitingReason.RECONCILE: Then.RECONCILES,
    WaitingReason.RENDER: Then.ASKS_AGAIN,
    WaitingReason.CREDITS: Then.NEEDS_CREDITS,
    WaitingReason.ANSWER: Then.ASKS_OWNER,
}

HAPPENINGS = (Where.ENVELOPE, Where.HTTP, Where.TRANSPORT, Where.THROTTLE)
"""What a step hears of as an exception: which class it is at which call is what matters, not how it was said."""


@dataclass
class Ruled:
    """One run of a step, through the verdict and the ruling."""

    bench: Any
    change: Change

    @property
    def then(self) -> Then:
        """What the job does, read off the write and off the calls that were made."""
        change, world = self.change, self.bench.world
        if change.to is Status.FAILED:
            return Then.FAILS
        if any(export.error is not None for export in change.learned.exports or ()):
            return Then.OUTPUT_FAILS
        if any(token.generation > 1 for token in world.tokens.values()):
            return Then.NEW_TOKEN
        if change.waiting is not None and change.waiting.reason in WAITS:
            return WAITS[change.waiting.reason]
        if change.waiting is not None and change.attempt > 0:
            return Then.TRIES_AGAIN
        return Then.NEW_SESSION if "create_session" in self.bench.events() else Then.GOES_ON


def ruled(bench: Any, step: Step, claim: Claim) -> Ruled:
    """As the runner does."""
    try:
        verdict = step.run(claim)
    except ReelqueueError as error:
        verdict = verdict_on(error)
    return Ruled(bench, rule(claim.job, verdict, RULES, now=NOW, rng=random.Random(1)))


# --- at each call -----------------------------------------------------------------------------------------------------


class Stage:
    """A job that is about to make the call."""

    def __init__(self, bench: Any, *, strict: bool) -> None:
        """`strict`: with a supplied token, in its second instruction, and not to wait for credits."""
        self.bench = bench
        self.strict = strict
        self.world = bench.world
        self.inputs = (job_input(0, url="https://files.example/a.png"),)
        self.policies = Policies(on_no_credits="fail" if strict else "wait")
        self.world.add_token(kind=TokenKind.SUPPLIED if strict else TokenKind.ANONYMOUS)
        bench.upstream.script("state", CLIP)

    def claim(self, status: Status, **changes: Any) -> Claim:
        """The job. In its strict form the first instruction is paid for."""
        index = 1 if self.strict and status in {Status.UPLOADING, Status.INSTRUCTING} else 0
        job = {"instructions": ("animate this", "add a title"), "instruction_index": index, "policies": self.policies}
        return self.world.claim(status=status, inputs=self.inputs, **{**job, **changes})

    def meets(self, call: Call, error: Exception) -> Ruled:
        """The call ends so; whatever is called after it goes well."""
        return {
            Call.ANONYMOUS_TOKEN: self._anonymous_token,
            Call.CREATE_SESSION: self._create_session,
            Call.UPLOAD: self._upload,
            Call.BALANCE: self._balance,
            Call.STATE: self._state,
            Call.RUN_TURN: self._run_turn,
            Call.RENDER_SUBMIT: self._submit,
            Call.RENDER_POLL: self._poll,
            Call.RENDER_CANCEL: self._cancel,
            Call.RENDER_DOWNLOAD: self._download,
        }[call](error)

    def _anonymous_token(self, error: Exception) -> Ruled:
        self.world.tokens.clear()
        self.bench.desk._client_id = "client"
        self.bench.upstream.script("anonymous_token", error)
        return ruled(self.bench, self.bench.open, self.claim(Status.QUEUED))

    def _create_session(self, error: Exception) -> Ruled:
        fresh = self.bench.upstream._new_session()
        self.bench.upstream.script("create_session", error, fresh)
        return ruled(self.bench, self.bench.open, self.claim(Status.QUEUED))

    def _upload(self, error: Exception) -> Ruled:
        self.world.ready_project()
        self.bench.upstream.script("upload_urls", error, ())
        return ruled(self.bench, self.bench.upload, self.claim(Status.UPLOADING))

    def _balance(self, error: Exception) -> Ruled:
        self.bench.upstream.script("balance", error)
        return self._instruct()

    def _state(self, error: Exception) -> Ruled:
        self.bench.upstream.script("state", error, CLIP)
        return self._instruct()

    def _run_turn(self, error: Exception) -> Ruled:
        self.bench.upstream.script("run_turn", error)
        return self._instruct()

    def _instruct(self) -> Ruled:
        self.world.ready_project()
        self.inputs = ()
        return ruled(self.bench, self.bench.instruct, self.claim(Status.INSTRUCTING))

    def rendering(self, *reports: Any) -> Claim:
        """Submitted, its polls answered so."""
        self.world.ready_project()
        self.bench.upstream.script("render_report", *reports)
        self.bench.render.run(self.claim(Status.RENDERING))
        return self.claim(Status.RENDERING)

    def _submit(self, error: Exception) -> Ruled:
        self.world.ready_project()
        self.bench.upstream.script("submit_render", error, None)
        return ruled(self.bench, self.bench.render, self.claim(Status.RENDERING))

    def _poll(self, error: Exception) -> Ruled:
        claim = self.rendering(error, DONE)
        self.bench.clock.forward(11)  # by now a render that was submitted is listed
        return ruled(self.bench, self.bench.render, claim)

    def _cancel(self, error: Exception) -> Ruled:
        claim = self.rendering(WORKING)
        self.bench.upstream.script("cancel_render", error)
        job = replace(claim.job, cancel_requested_at=NOW)
        return ruled(self.bench, self.bench.cancel, replace(claim, job=job))

    def _download(self, error: Exception) -> Ruled:
        self.bench.upstream.script("download_render", error, None)
        return self.saving(replace(DONE, url=None))

    def saving(self, report: RenderReport) -> Ruled:
        """The next file of two outputs, at the first try, or in the strict form at the last."""
        for _ in range(2):
            claim = self.rendering(report)
        attempt = 2 if self.strict else 0
        claim = replace(claim, job=replace(claim.job, status=Status.SAVING, outputs=TWO, attempt=attempt))
        return ruled(self.bench, self.bench.save, claim)


AT_A_CALL = sorted(
    {(row.error, call, row.then) for row in ROWS if row.where in HAPPENINGS for call in row.calls},
    key=lambda cell: (cell[1], cell[0].__name__),
)
OTHERWISE = {
    Then.NEW_TOKEN: Then.FAILS,
    Then.NEW_SESSION: Then.FAILS,
    Then.NEEDS_CREDITS: Then.FAILS,
    Then.TRIES_OUTPUT_AGAIN: Then.OUTPUT_FAILS,
}
"""What stands in the second half of these sentences, and comes to pass in a stricter case."""
FIRST = {Then.TRIES_OUTPUT_AGAIN: Then.TRIES_AGAIN, Then.NEW_RENDER: Then.ASKS_AGAIN}
"""What the first half looks like in one write."""


def instance(kind: type[errors.UpstreamError]) -> Exception:
    return TurnCut(reason=CutReason.BROKEN, partial=said()) if kind is errors.TurnInterrupted else kind()


@pytest.mark.parametrize(
    ("kind", "call", "then"), [pytest.param(*cell, id=f"{cell[0].__name__} at {cell[1]}") for cell in AT_A_CALL]
)
def test_what_a_job_does(bench: Any, kind: type[errors.UpstreamError], call: Call, then: Then) -> None:
    if call in UNUSED:
        assert not any(f".{call}(" in path.read_text() for path in STEPS.glob("*.py")), "a step makes this call"
        return
    met = Stage(bench, strict=False).meets(call, instance(kind))
    if then is Then.GOES_ON and kind is errors.TokenRejected:
        # A fresh token is fetched by the way. What the call was for does not hold the job up.
        bench.world.tokens = {}
    assert met.then is FIRST.get(then, then)
    if met.then is Then.FAILS:
        assert (met.change.error.code, met.change.error.blame) == (kind.code, kind.blame)


AT_WORST = [cell for cell in AT_A_CALL if cell[2] in {Then.ASKS_AGAIN, Then.NEW_RENDER}]


@pytest.mark.parametrize(
    ("kind", "call", "then"), [pytest.param(*cell, id=f"{cell[0].__name__} at {cell[1]}") for cell in AT_WORST]
)
def test_what_an_export_comes_to_that_is_never_answered_otherwise(
    bench: Any, kind: type[errors.UpstreamError], call: Call, then: Then
) -> None:
    stage = Stage(bench, strict=False)
    stage.world.ready_project()
    bench.upstream.script("render_report", kind() if call is Call.RENDER_POLL else errors.RenderUnknown())
    bench.upstream.script("submit_render", kind() if call is Call.RENDER_SUBMIT else None)
    for _ in range(100):
        met = ruled(bench, bench.render, stage.claim(Status.RENDERING))
        if met.then is Then.FAILS:
            break
        assert met.then is Then.ASKS_AGAIN
        bench.clock.forward(met.change.due_s)
    [worst] = {row.at_worst for row in ROWS if (row.error, row.then) == (kind, then) and call in row.calls}
    assert met.change.error.code == worst.code
    assert [render.attempt for render in bench.world.renders] == ([1, 2] if then is Then.NEW_RENDER else [1])


STRICT = [cell for cell in AT_A_CALL if cell[2] in OTHERWISE]


@pytest.mark.parametrize(
    ("kind", "call", "then"), [pytest.param(*cell, id=f"{cell[0].__name__} at {cell[1]}") for cell in STRICT]
)
def test_what_it_does_where_it_cannot(bench: Any, kind: type[errors.UpstreamError], call: Call, then: Then) -> None:
    met = Stage(bench, strict=True).meets(call, instance(kind))
    one_of_two = call is Call.RENDER_DOWNLOAD
    assert met.then is (Then.OUTPUT_FAILS if one_of_two else OTHERWISE[then])


# --- inside a stream, and what is found at its end --------------------------------------------------------------------


def told(row: Row) -> Any:
    """The turn as the client gives it back; `tests/integration/nemo/test_nemo_error_table.py` is where it does."""
    if row.error is errors.TurnInterrupted:
        return TurnCut(reason=CutReason.GATEWAY, partial=said())
    if row.where is Where.STREAM:
        return said(end=TurnEnd.ERROR_FRAME, error="no", gateway_code=row.what)
    match row.what:
        case "a question":
            return said("Which song do you want?")
        case _ if row.what == ERROR_FRAME:
            return said(end=TurnEnd.ERROR_FRAME, error="no")
        case _ if row.what == NOISE:
            return said(error="I encountered a temporary issue", error_code="TEMPORARY_ISSUE")
    return said(error="no", error_code=str(row.what)) if row.error else said("Done.")


def turn(bench: Any, report: Any, *states: Any, **changes: Any) -> Ruled:
    """The only turn of a job, told so."""
    bench.world.ready_project()
    bench.upstream.script("state", CLIP, *states)
    bench.upstream.script("run_turn", report)
    return ruled(bench, bench.instruct, bench.world.claim(status=Status.INSTRUCTING, **changes))


SPOKEN = [row for row in ROWS if row.where in {Where.STREAM, Where.AGENT}]


@pytest.mark.parametrize("row", SPOKEN, ids=lambda row: f"{row.where} {row.what!r}")
@pytest.mark.parametrize("kind", [TokenKind.SUPPLIED, TokenKind.ANONYMOUS])
def test_what_is_said_in_a_stream(bench: Any, row: Row, kind: TokenKind) -> None:
    bench.world.add_token(kind=kind)
    edited = () if row.what == "a question" else (state("clip", "title"),)
    met = turn(bench, told(row), *edited, policies=Policies(on_no_credits="wait"))
    assert met.then is row.then
    if met.then is Then.FAILS:
        assert met.change.error.code == row.error.code
        assert met.change.learned.billing is not None, "it was sent, so it is on the bill"
    assert bench.upstream.sent == ["animate this"]
    bench.instruct.run(bench.world.claim(status=Status.INSTRUCTING))
    assert bench.upstream.sent == ["animate this"]


def test_a_question_that_may_not_be_asked_or_is_not_answered(bench: Any) -> None:
    met = turn(bench, said("Which song do you want?"), policies=Policies(on_question="fail"))
    assert met.change.error.code == errors.QuestionAsked.code
    [row] = [row for row in ROWS if row.error is errors.QuestionUnanswered]
    asking = bench.world.claim(status=Status.REQUIRES_INPUT)
    given_up = ruled(bench, AskStep(bench.clock), asking)
    assert (given_up.then, given_up.change.error.code) == (row.then, errors.QuestionUnanswered.code)


def test_a_broken_turn_that_left_no_trace(bench: Any) -> None:
    [row] = [row for row in ROWS if row.error is errors.OutcomeUnknown]
    met = turn(bench, TurnCut(reason=CutReason.BROKEN, partial=said()))
    for _ in range(5):
        assert met.then is Then.RECONCILES
        met = ruled(bench, bench.instruct, bench.world.claim(status=Status.INSTRUCTING))
    assert (met.then, met.change.error.code) == (row.then, errors.OutcomeUnknown.code)


def test_a_turn_that_left_nothing_to_export(bench: Any) -> None:
    [row] = [row for row in ROWS if row.error is errors.NoTimeline]
    met = turn(bench, said("Done."), state())
    assert (met.then, met.change.error.code) == (row.then, errors.NoTimeline.code)


def test_a_draft_that_cannot_be_read(bench: Any) -> None:
    [row] = [row for row in ROWS if row.where is Where.STATE and row.error is errors.UpstreamProtocolError]
    assert Stage(bench, strict=False).meets(Call.STATE, errors.UpstreamProtocolError()).then is row.then


# --- exports ----------------------------------------------------------------------------------------------------------

FAILED = [row for row in ROWS if row.error is errors.RenderFailed]


def test_an_export_that_failed_is_made_once_more_and_then_given_up(bench: Any) -> None:
    assert {row.then for row in FAILED} == {Then.NEW_RENDER}
    stage = Stage(bench, strict=False)
    broken = RenderReport(RenderPhase.FAILED, None, error="no")
    first = ruled(bench, bench.render, stage.rendering(broken))
    assert first.then is Then.ASKS_AGAIN
    claim = stage.claim(Status.RENDERING, outputs=TWO[:1])
    ruled(bench, bench.render, claim)
    last = ruled(bench, bench.render, claim)
    assert (last.then, last.change.error.code) == (Then.FAILS, errors.RenderFailed.code)
    assert [render.attempt for render in bench.world.renders] == [1, 2]


def test_an_export_that_is_stuck_costs_its_output(bench: Any) -> None:
    [row] = [row for row in ROWS if row.error is errors.RenderTimedOut]
    stage = Stage(bench, strict=False)
    stage.world.ready_project()
    bench.upstream.script("render_report", WORKING)
    claim = stage.claim(Status.RENDERING, outputs=TWO)
    ruled(bench, bench.render, claim)
    bench.clock.forward(601)
    assert ruled(bench, bench.render, claim).then is row.then


STRANGE = {
    "an unknown status word": RenderReport(RenderPhase.PROCESSING, None),
    "completed without a URL": replace(DONE, url=None),
    "neither a status nor a URL": errors.UpstreamProtocolError(),
}


@pytest.mark.parametrize("what", STRANGE)
def test_an_export_whose_report_is_strange(bench: Any, what: str) -> None:
    row = row_of(Where.RENDER, what, Call.RENDER_POLL)
    assert ruled(bench, bench.render, Stage(bench, strict=False).rendering(STRANGE[what])).then is row.then


@pytest.mark.parametrize("row", [row for row in ROWS if row.where is Where.FILE], ids=lambda row: str(row.what))
@pytest.mark.parametrize("strict", [False, True])
def test_a_file_that_does_not_come(bench: Any, row: Row, strict: bool) -> None:
    bench.keeper.__init__(row.error())
    assert row.then is Then.TRIES_OUTPUT_AGAIN
    met = Stage(bench, strict=strict).saving(DONE)
    assert met.then is (Then.OUTPUT_FAILS if strict else Then.TRIES_AGAIN)


def test_each_row_is_met_by_one_of_these() -> None:
    """Rows of other places than those above would go untested."""
    one_by_one = {"STREAM", "AGENT", "RENDER", "FILE", "STATE"}
    assert {where.name for where in Where} == one_by_one | {where.name for where in HAPPENINGS}
    alone = {row.error for row in ROWS if row.where is Where.STATE}
    assert alone == {
        errors.NoTimeline,
        errors.OutcomeUnknown,
        errors.UpstreamProtocolError,
        errors.QuestionUnanswered,
    }
    odd = {row.what for row in ROWS if row.where is Where.RENDER and row not in FAILED}
    assert odd == {"still at work after ten minutes", *STRANGE}
