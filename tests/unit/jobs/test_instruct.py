"""`instructing`: one paid turn an instruction, sent at most once, and what it did found out in any case."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from fakes.engine import NOW, TENANT, TOKEN, every_error, job_input, make_asset, snapshot
from fakes.upstream import Unsent, balance, said, state
from reelqueue import errors
from reelqueue.domain.claims import ClaimLost
from reelqueue.domain.estimates import ENOUGH_TO_JUDGE, ONE_TURN, Estimates
from reelqueue.domain.jobs import Billing, Policies, Status, Waiting, WaitingReason
from reelqueue.domain.sessions import ProjectState
from reelqueue.domain.tokens import BLOCKED_AGAIN_S, BlockedBy, TokenHealth, TokenKind
from reelqueue.domain.turns import TurnState
from reelqueue.domain.upstream import CutReason, TurnCut, TurnEnd, TurnProgress
from reelqueue.domain.verdicts import Advance, Canceled, Fail, Retry, Snooze
from reelqueue.jobs.faults import verdict_on
from reelqueue.jobs.steps.reconcile import MOST_LOOKS

LONG_AGO = NOW - timedelta(seconds=1)
BEFORE = state("clip")
AFTER = state("clip", "title")


@pytest.fixture
def job(bench):
    """The job as the next claim finds it: in `instructing`, its session ready."""
    bench.world.ready_project()

    def now(**changes):
        return bench.world.claim(**{"status": Status.INSTRUCTING, **changes})

    return now


def cut(*tools):
    return TurnCut(reason=CutReason.BROKEN, partial=said(tools=tools, end=TurnEnd.INTERRUPTED))


def sent(bench, **changes):
    """The turn was sent and its stream is gone: by a worker that is no more, or by a cut."""
    bench.turns.prepare(bench.world.claim(), 0, changes.pop("before", look(bench, BEFORE)))
    bench.turns.begin_sending(bench.world.claim(), 0)


def look(bench, seen):
    """What an observer sees when the session is like that."""
    from reelqueue.domain import drafts

    return snapshot(drafts.digest(seen))


# --- in what order ----------------------------------------------------------------------------------------------------


def test_the_intent_is_on_record_before_the_first_byte_leaves(bench, job):
    bench.upstream.script("state", BEFORE, AFTER)
    bench.instruct.run(job())
    assert bench.events() == [
        *("balance", "state", "prepare"),
        *("run_turn", "begin_sending", "first byte"),
        *("balance", "state"),
    ]


def test_a_gate_that_finds_the_claim_gone_lets_nothing_out(bench, job):
    claim = job()

    def steal(**_):
        bench.world.epoch += 1
        return BEFORE

    bench.upstream.script("state", steal)
    with pytest.raises(ClaimLost):
        bench.instruct.run(claim)
    assert bench.upstream.sent == []


def test_the_claim_may_go_between_the_look_and_the_gate(bench, job):
    claim = job()
    kept = bench.turns.prepare

    def prepare_and_lose(*arguments):
        kept(*arguments)
        bench.world.epoch += 1

    bench.turns.prepare = prepare_and_lose
    with pytest.raises(ClaimLost):
        bench.instruct.run(claim)
    assert bench.upstream.sent == []
    assert bench.world.turns[0].state is TurnState.READY


def test_a_lease_that_may_have_ended_lets_nothing_out_and_takes_the_intent_back(bench, job):
    bench.lease.good = False
    verdict = bench.instruct.run(job())
    assert isinstance(verdict, Retry)
    assert (verdict.cause.code, verdict.cause.blame) == ("service_unavailable", "gateway")
    assert bench.upstream.sent == []
    assert bench.world.turns[0].state is TurnState.READY


def test_a_claim_of_before_the_process_was_frozen_lets_nothing_out(bench, job):
    """It registered again meanwhile: its lease is good, and not the one that this claim was made under."""
    bench.lease.worker_id = "wrk_another"
    bench.instruct.run(job())
    assert bench.upstream.sent == []


# --- not taken --------------------------------------------------------------------------------------------------------


def test_no_connection_is_tried_again_and_no_intent_was_written(bench, job):
    bench.upstream.script("run_turn", Unsent(errors.NotSent()), said("Done."))
    verdict = bench.instruct.run(job())
    assert isinstance(verdict, Retry)
    assert isinstance(verdict.cause, errors.NotSent)
    assert "begin_sending" not in bench.events()
    bench.instruct.run(job())
    assert bench.upstream.sent == ["animate this"]


def test_a_429_takes_the_intent_back_and_waits_as_told(bench, job):
    bench.upstream.script("run_turn", errors.RateLimited(retry_after=12), said("Done."))
    assert bench.instruct.run(job()) == Snooze(12, WaitingReason.UPSTREAM_BUSY, exact=True)
    assert bench.events()[-1] == "reopen"
    assert bench.tokens.marks == [(TokenHealth.COOLING, 1, 12)]
    bench.instruct.run(job())
    assert bench.world.turns[0].state is TurnState.FINISHED


def block(bench, *, on=True):
    token = bench.world.tokens[TOKEN]
    decided = {"blocked_at": NOW, "blocked_by": BlockedBy.OPERATOR} if on else {"blocked_at": None, "blocked_by": None}
    bench.world.tokens[TOKEN] = replace(token, **decided)


def test_on_a_blocked_token_no_turn_begins_and_nobody_asks_nemovideo_for_anything(bench, job):
    block(bench)
    with pytest.raises(errors.TokenBlocked) as caught:
        bench.instruct.run(job())
    assert verdict_on(caught.value) == Snooze(BLOCKED_AGAIN_S, WaitingReason.TOKEN_BLOCKED, exact=True)
    assert bench.events() == []
    block(bench, on=False)
    bench.upstream.script("state", BEFORE, AFTER)
    assert isinstance(bench.instruct.run(job()), Advance)


def test_a_token_may_be_blocked_between_the_look_and_the_gate(bench, job):
    bench.upstream.script("state", lambda **_: block(bench) or BEFORE, AFTER)
    assert bench.instruct.run(job()) == Snooze(BLOCKED_AGAIN_S, WaitingReason.TOKEN_BLOCKED, exact=True)
    assert bench.upstream.sent == []
    assert bench.world.turns[0].state is TurnState.READY
    block(bench, on=False)
    bench.instruct.run(job())
    assert bench.upstream.sent == ["animate this"]


def test_a_turn_that_was_sent_is_seen_through_though_its_token_is_blocked(bench, job):
    sent(bench)
    block(bench)
    bench.upstream.script("state", AFTER)
    verdicts = [bench.instruct.run(job()) for _ in range(3)]
    assert isinstance(verdicts[-1], Advance)


def test_a_turn_that_was_taken_proves_what_its_token_may_do(bench, job):
    bench.world.tokens[TOKEN] = replace(bench.world.tokens[TOKEN], refused=("write", "render", "write"))
    bench.upstream.script("state", BEFORE, AFTER)
    bench.instruct.run(job())
    assert bench.world.tokens[TOKEN].refused == ("render",)


def test_a_dead_anonymous_token_is_refreshed_and_the_turn_made_ready(bench, job):
    bench.world.add_token(kind=TokenKind.ANONYMOUS)
    bench.upstream.script("run_turn", errors.TokenRejected(), said("Done."))
    assert bench.instruct.run(job()) == Snooze(0, WaitingReason.RETRY)
    bench.instruct.run(job())
    assert [call["token"] for call in bench.upstream.calls("run_turn")] == ["s1", "nmv_usr_fresh"]


@pytest.mark.parametrize(
    ("error", "health"),
    [
        (errors.TokenRejected(), TokenHealth.INVALID),
        (errors.CreditsExhausted(), TokenHealth.EXHAUSTED),
        (errors.SessionNotFound(), None),
        (errors.UpstreamForbidden(), None),
        (errors.UpstreamRequestInvalid(), None),
    ],
)
def test_a_refusal_by_name_ends_the_job_and_cost_nothing(bench, job, error, health):
    bench.upstream.script("run_turn", error)
    verdict = bench.instruct.run(job())
    assert isinstance(verdict, Fail)
    assert verdict.cause is error
    assert verdict.learned.billing is None
    assert [mark[0] for mark in bench.tokens.marks] == ([] if health is None else [health])


PROVEN = (
    *(errors.NotSent, errors.RateLimited, errors.TokenRejected, errors.SessionNotFound, errors.CreditsExhausted),
    *(errors.UpstreamForbidden, errors.UpstreamRequestInvalid, errors.ExportNotAllowed),
    *(errors.FileUnsupportedUpstream, errors.FileTooLargeUpstream),
    *(errors.UpstreamThrottled, errors.TokenCooling, errors.TokenBlocked),
)


RESENT = (
    *(errors.NotSent, errors.RateLimited, errors.TokenRejected),
    *(errors.UpstreamThrottled, errors.TokenCooling, errors.TokenBlocked),
)


@pytest.mark.parametrize("kind", [k for k in every_error() if issubclass(k, errors.UpstreamError)])
def test_only_what_proves_that_nothing_was_begun_lets_an_instruction_be_sent_again(bench, job, kind):
    """Whatever the client raises after the intent: an error that is not on the list is doubt, and is never re-sent."""
    bench.world.add_token(kind=TokenKind.ANONYMOUS)
    bench.upstream.script("run_turn", kind(), said("Done."))
    bench.upstream.script("state", BEFORE)
    first = bench.instruct.run(job())
    if kind not in PROVEN:
        assert first == Snooze(30, WaitingReason.RECONCILE)
        assert bench.world.turns[0].state is TurnState.SENDING
    for _ in range(0 if isinstance(first, Fail) else 9):
        bench.instruct.run(job())
    assert len(bench.upstream.sent) == (2 if kind in RESENT else 1)


def test_a_canceled_job_whose_turn_was_not_sent_is_canceled(bench, job):
    def abort_first(**_):
        raise AssertionError("never sent")

    bench.upstream.script("run_turn", abort_first)
    claim = job()
    kept = bench.turns.begin_sending

    def cancel_in_the_gate(*arguments):
        kept(*arguments)
        assert bench.live.cancel(claim.job.id)
        raise errors.NotSent

    bench.turns.begin_sending = cancel_in_the_gate
    assert bench.instruct.run(claim) == Canceled()
    assert bench.world.turns[0].state is TurnState.READY
    assert bench.upstream.sent == []


# --- heard to its end -------------------------------------------------------------------------------------------------


def test_a_turn_that_was_heard_leads_on_to_the_export(bench, job):
    bench.upstream.script("state", BEFORE, AFTER)
    bench.upstream.script("balance", balance(100), balance(60))
    verdict = bench.instruct.run(job())
    assert isinstance(verdict, Advance)
    assert verdict.to is Status.RENDERING
    assert (verdict.learned.receipt["verdict"], verdict.learned.receipt["texts"]) == ("changed", ["Done."])
    assert (verdict.learned.billing.spent, verdict.learned.instruction_index) == (40, 1)


def test_an_edit_without_export_ends_there(bench, job):
    bench.upstream.script("state", BEFORE, AFTER)
    assert bench.instruct.run(job(outputs=())).to is Status.SUCCEEDED


def test_two_instructions_are_two_turns_in_one_session(bench, job):
    bench.upstream.script("state", BEFORE, AFTER, AFTER, state("clip", "title", "music"))
    two = {"instructions": ("animate this", "add music")}
    first = bench.instruct.run(job(**two))
    assert (first.to, first.data, first.learned.instruction_index) == (Status.INSTRUCTING, {"instruction": 1}, 1)
    second = bench.instruct.run(job(**two, instruction_index=1))
    assert second.to is Status.RENDERING
    assert second.learned.receipt["instruction"] == 2
    assert bench.upstream.sent == ["animate this", "add music"]
    assert len({call["session_id"] for call in bench.upstream.calls("run_turn")}) == 1


def test_no_timeline_is_an_answer_and_no_success(bench, job):
    bench.upstream.script("state", state(), state())
    verdict = bench.instruct.run(job())
    assert isinstance(verdict.cause, errors.NoTimeline)
    assert verdict.learned.receipt["texts"] == ["Done."]


def test_a_silent_turn_is_settled_by_the_state(bench, job):
    bench.upstream.script("run_turn", said(tools=["edit_multitrack"]))
    bench.upstream.script("state", BEFORE, AFTER)
    verdict = bench.instruct.run(job())
    assert verdict.to is Status.RENDERING
    assert (verdict.learned.receipt["verdict"], verdict.learned.receipt["tools"]) == ("changed", ["edit_multitrack"])


def test_the_state_may_lag_behind_a_silent_turn(bench, job):
    bench.upstream.script("run_turn", said())
    bench.upstream.script("state", BEFORE, BEFORE, BEFORE, AFTER)
    assert bench.instruct.run(job()) == Snooze(2, WaitingReason.RECONCILE)
    assert bench.instruct.run(job()) == Snooze(2, WaitingReason.RECONCILE)
    verdict = bench.instruct.run(job())
    assert verdict.learned.receipt["verdict"] == "changed"
    assert bench.upstream.sent == ["animate this"]


def test_the_state_may_lag_behind_a_turn_that_called_tools_and_spoke(bench, job):
    bench.upstream.script("run_turn", said("Your clip is ready.", tools=["edit_multitrack"]))
    bench.upstream.script("state", BEFORE, BEFORE, AFTER)
    assert bench.instruct.run(job()) == Snooze(2, WaitingReason.RECONCILE)
    assert bench.instruct.run(job()).learned.receipt["verdict"] == "changed"


def test_a_silent_turn_that_changed_nothing_says_so_in_the_end(bench, job):
    bench.upstream.script("run_turn", said())
    bench.upstream.script("state", BEFORE)
    for _ in range(3):
        assert bench.instruct.run(job()) == Snooze(2, WaitingReason.RECONCILE)
    verdict = bench.instruct.run(job())
    assert (verdict.to, verdict.learned.receipt["verdict"]) == (Status.RENDERING, "unchanged")


def test_a_job_that_waits_for_credits_remembers_how_many_were_too_few(bench, job):
    refused_at = 1_234_567.5
    bench.upstream.script("state", BEFORE)
    bench.upstream.script("run_turn", Unsent(errors.CreditsExhausted()))
    bench.upstream.script("balance", balance(refused_at), balance(20), errors.UpstreamUnavailable(), balance(30))
    policies = Policies(on_no_credits="wait")
    verdict = bench.instruct.run(job(policies=policies))
    for _ in range(3):
        waiting = Waiting(reason=verdict.reason, since=NOW, detail=verdict.detail)
        verdict = bench.instruct.run(job(policies=policies, waiting=waiting))
        assert float(verdict.detail) == refused_at
    assert [call for call in bench.events() if call == "run_turn"] == ["run_turn"]


@pytest.mark.parametrize("seen", [BEFORE, state("half")], ids=["nothing yet", "half of it"])
def test_a_silent_turn_for_which_credits_are_still_reserved_is_waited_for(bench, job, seen):
    """A stream may close at once while the work goes on: nothing is concluded before what runs has ended."""
    bench.upstream.script("run_turn", said())
    bench.upstream.script("state", BEFORE, *[seen] * 6, AFTER)
    bench.upstream.script("balance", balance(100), *[balance(0, 100)] * 6, balance(0))
    for _ in range(6):
        verdict = bench.instruct.run(job())
        assert isinstance(verdict, Snooze)
        assert verdict.reason is WaitingReason.RECONCILE
    verdict = bench.instruct.run(job())
    assert verdict.to is Status.RENDERING
    assert (verdict.learned.billing.spent, verdict.learned.receipt["verdict"]) == (100, "changed")
    assert bench.upstream.sent == ["animate this"]


def test_credits_that_are_never_released_do_not_keep_a_job_for_ever(bench, job):
    bench.upstream.script("run_turn", said())
    bench.upstream.script("state", BEFORE)
    bench.upstream.script("balance", balance(100), balance(0, 100))
    for _ in range(MOST_LOOKS):
        assert isinstance(bench.instruct.run(job()), Snooze)
    verdict = bench.instruct.run(job())
    assert not isinstance(verdict, Snooze)
    assert (verdict.learned.billing.spent, verdict.learned.billing.at_risk) == (0, 100)


def test_an_error_frame_fails_the_job_with_what_was_said_before(bench, job):
    report = said("Half.", end=TurnEnd.ERROR_FRAME, error="boom", error_code=None)
    bench.upstream.script("run_turn", report)
    bench.upstream.script("state", BEFORE, AFTER)
    verdict = bench.instruct.run(job())
    assert isinstance(verdict.cause, errors.TurnFailed)
    assert verdict.learned.receipt["texts"] == ["Half."]
    assert verdict.learned.billing.certainty == "inferred"


def test_credits_that_ran_out_on_the_way_keep_their_name(bench, job):
    report = said(end=TurnEnd.ERROR_FRAME, error="no credits", gateway_code=2001)
    bench.upstream.script("run_turn", report)
    assert isinstance(bench.instruct.run(job()).cause, errors.CreditsExhausted)


def test_a_429_on_the_way_fails_the_job_rests_the_token_and_sends_nothing_again(bench, job):
    """The head was accepted: that nothing had been begun by then is likely, and not proven."""
    bench.upstream.script("run_turn", said(end=TurnEnd.ERROR_FRAME, error="slow down", gateway_code=429))
    verdict = bench.instruct.run(job())
    assert isinstance(verdict.cause, errors.RateLimited)
    assert verdict.learned.billing.certainty == "inferred"
    assert [mark[0] for mark in bench.tokens.marks] == [TokenHealth.COOLING]
    assert bench.world.turns[0].state is TurnState.FINISHED
    assert bench.upstream.sent == ["animate this"]


def test_digits_of_the_agents_are_no_code_of_the_gateways(bench, job):
    bench.upstream.script("run_turn", said(error="model is busy", error_code="429"))
    assert isinstance(bench.instruct.run(job()).cause, errors.TurnFailed)
    assert bench.tokens.marks == []


@pytest.mark.parametrize("report", [said("Cut sh", error_code="MAX_TOKENS"), said(tools=["edit"], error_code="SAFETY")])
def test_an_error_code_beside_words_or_deeds_did_not_fail_the_turn(bench, job, report):
    bench.upstream.script("run_turn", report)
    bench.upstream.script("state", BEFORE, AFTER)
    assert bench.instruct.run(job()).to is Status.RENDERING


def test_an_error_code_alone_did(bench, job):
    bench.upstream.script("run_turn", said(error="refused", error_code="SAFETY"))
    assert isinstance(bench.instruct.run(job()).cause, errors.TurnFailed)


def test_a_worker_that_died_after_the_end_was_written_concludes_it(bench, job):
    """K17: the outcome is saved, the verdict is not."""
    sent(bench)
    bench.turns.finish(bench.world.claim(), 0, said("Done."))
    bench.upstream.script("state", AFTER)
    verdict = bench.instruct.run(job())
    assert (verdict.to, verdict.learned.receipt["texts"]) == (Status.RENDERING, ["Done."])
    assert bench.upstream.sent == []


# --- cut off ----------------------------------------------------------------------------------------------------------


def test_a_cut_waits_thirty_seconds_and_sends_nothing_again(bench, job):
    bench.upstream.script("run_turn", cut("generate_video", "edit"))
    bench.upstream.script("state", BEFORE)
    assert bench.instruct.run(job()) == Snooze(30, WaitingReason.RECONCILE, detail="after 2 tool calls")
    assert bench.world.turns[0].state is TurnState.SENDING
    bench.instruct.run(job())
    assert bench.upstream.sent == ["animate this"]


def test_a_change_counts_once_the_session_stands_still(bench, job):
    sent(bench)
    half = state("clip", "half")
    bench.upstream.script("state", half, AFTER, AFTER)
    assert bench.instruct.run(job()) == Snooze(30, WaitingReason.RECONCILE)
    assert bench.instruct.run(job()) == Snooze(30, WaitingReason.RECONCILE)
    verdict = bench.instruct.run(job())
    assert (verdict.to, verdict.learned.receipt["recovered"]) == (Status.RENDERING, True)
    assert bench.world.turns[0].state is TurnState.FINISHED


def test_credits_that_are_frozen_buy_time(bench, job):
    sent(bench)
    bench.upstream.script("state", AFTER)
    bench.upstream.script("balance", *[balance(60, 40)] * 6, balance(60, 0))
    for _ in range(6):
        assert bench.instruct.run(job()) == Snooze(30, WaitingReason.RECONCILE)
    verdict = bench.instruct.run(job())
    assert (verdict.to, verdict.learned.billing.spent) == (Status.RENDERING, 40)


def test_five_looks_without_a_change_are_enough(bench, job):
    sent(bench)
    bench.upstream.script("state", BEFORE)
    for _ in range(4):
        assert bench.instruct.run(job()) == Snooze(60, WaitingReason.RECONCILE)
    verdict = bench.instruct.run(job())
    assert isinstance(verdict.cause, errors.OutcomeUnknown)
    assert bench.world.turns[0].state is TurnState.UNKNOWN


def test_frozen_credits_buy_time_without_a_change_too_but_not_for_ever(bench, job):
    sent(bench)
    bench.upstream.script("state", BEFORE)
    bench.upstream.script("balance", balance(60, 40))
    looks = 1
    while isinstance(verdict := bench.instruct.run(job()), Snooze):
        looks += 1
    assert looks == 20
    assert isinstance(verdict.cause, errors.OutcomeUnknown)
    assert (verdict.learned.billing.spent, verdict.learned.billing.at_risk) == (0, 40)


def test_a_restless_session_counts_in_the_end(bench, job):
    sent(bench)
    names = iter(range(99))
    bench.upstream.script("state", lambda **_: state("clip", str(next(names))))
    looks = 1
    while isinstance(verdict := bench.instruct.run(job()), Snooze):
        looks += 1
    assert (looks, verdict.to) == (20, Status.RENDERING)


def test_a_turn_given_up_is_not_taken_up_again_and_its_cost_stays_unknown(bench, job):
    sent(bench)
    bench.turns.give_up(bench.world.claim(), 0)
    verdict = bench.instruct.run(job())
    assert isinstance(verdict.cause, errors.OutcomeUnknown)
    assert verdict.learned.billing.certainty == "unknown"
    assert bench.upstream.sent == []


@pytest.mark.parametrize(
    "error", [errors.UpstreamUnavailable(), errors.NotSent(), errors.UpstreamProtocolError()], ids=lambda e: e.code
)
@pytest.mark.parametrize("heard", [False, True])
def test_an_upstream_that_is_away_is_waited_for_and_no_attempt_is_used_up(bench, job, error, heard):
    sent(bench)
    if heard:
        bench.turns.finish(bench.world.claim(), 0, said("Done."))
    bench.upstream.script("state", *[error] * 30, AFTER, AFTER)
    for _ in range(30):
        assert bench.instruct.run(job()) == Snooze(60, WaitingReason.UPSTREAM_DOWN, detail=error.code)
    while isinstance(verdict := bench.instruct.run(job()), Snooze):
        pass
    assert verdict.to is Status.RENDERING
    assert bench.upstream.sent == []


@pytest.mark.parametrize("heard", [False, True])
def test_nobody_waits_for_ever_and_the_job_then_says_that_credits_may_be_gone(bench, job, heard):
    sent(bench)
    if heard:
        bench.turns.finish(bench.world.claim(), 0, said("Done."))
    bench.upstream.script("state", errors.UpstreamUnavailable())
    assert isinstance(bench.instruct.run(job()), Snooze)
    bench.clock.forward(3601)
    verdict = bench.instruct.run(job())
    assert isinstance(verdict.cause, errors.UpstreamUnavailable)
    assert verdict.learned.billing.certainty == "unknown"
    if heard:
        assert verdict.learned.receipt["verdict"] == "undetermined"
        assert verdict.learned.receipt["texts"] == ["Done."]


@pytest.mark.parametrize("error", [errors.SessionNotFound(), errors.TokenRejected()])
@pytest.mark.parametrize("heard", [False, True])
def test_a_session_that_cannot_be_looked_at_after_a_paid_turn_may_have_cost_something(bench, job, error, heard):
    sent(bench)
    if heard:
        bench.turns.finish(bench.world.claim(), 0, said("Done."))
    bench.upstream.script("state", error)
    verdict = bench.instruct.run(job())
    assert verdict.cause is error
    assert verdict.learned.billing.certainty == "unknown"
    assert bench.upstream.sessions == 0


@pytest.mark.parametrize("error", [errors.UpstreamForbidden(), errors.UpstreamRequestInvalid()])
@pytest.mark.parametrize("heard", [False, True])
def test_a_refused_look_at_a_paid_turn_is_made_again_for_a_while(bench, job, error, heard):
    sent(bench)
    if heard:
        bench.turns.finish(bench.world.claim(), 0, said("Done."))
    bench.upstream.script("state", error)
    assert bench.instruct.run(job()) == Snooze(60, WaitingReason.UPSTREAM_DOWN, detail=error.code)
    waiting = Waiting(reason=WaitingReason.UPSTREAM_DOWN, since=bench.clock.now())
    bench.clock.forward(299)
    assert isinstance(bench.instruct.run(job(waiting=waiting)), Snooze)
    bench.clock.forward(2)
    verdict = bench.instruct.run(job(waiting=waiting))
    assert verdict.cause is error
    assert verdict.learned.billing.certainty == "unknown"


def test_a_429_while_looking_waits_as_told(bench, job):
    sent(bench)
    bench.upstream.script("state", errors.RateLimited(retry_after=5))
    assert bench.instruct.run(job()) == Snooze(5, WaitingReason.UPSTREAM_BUSY, exact=True)


def test_a_balance_that_cannot_be_read_stops_nothing(bench, job):
    bench.upstream.script("balance", errors.UpstreamUnavailable())
    bench.upstream.script("state", BEFORE, AFTER)
    verdict = bench.instruct.run(job())
    assert (verdict.to, verdict.learned.billing.certainty) == (Status.RENDERING, "unknown")


@pytest.mark.parametrize("unread", [0, 1])
def test_a_balance_that_could_not_be_read_is_asked_for_once_more(bench, job, unread):
    balances = [balance(100), balance(60)]
    balances.insert(unread, errors.UpstreamUnavailable())
    bench.upstream.script("balance", *balances)
    bench.upstream.script("state", BEFORE, AFTER)
    billing = bench.instruct.run(job()).learned.billing
    assert (billing.spent, billing.certainty) == (40, "inferred")


def test_nothing_is_sent_while_the_balance_is_refused_with_a_429(bench, job):
    bench.upstream.script("balance", errors.RateLimited(retry_after=5))
    bench.upstream.script("state", BEFORE)
    with pytest.raises(errors.RateLimited):
        bench.instruct.run(job())
    assert bench.upstream.sent == []


# --- the session before the first turn --------------------------------------------------------------------------------


@pytest.fixture
def picture(bench):
    asset = make_asset(1)
    bench.world.assets = {asset.id: asset}
    bench.world.input_states = {0: "sent"}
    return job_input(0, asset=asset)


def test_a_session_lost_before_the_first_turn_is_made_again_with_its_inputs(bench, job, picture):
    bench.upstream.script("state", errors.SessionNotFound(), BEFORE, AFTER)
    verdict = bench.instruct.run(job(inputs=(picture,)))
    assert verdict.to is Status.RENDERING
    assert [former.state for former in bench.world.former] == [ProjectState.LOST]
    assert [call["session_id"] for call in bench.upstream.calls("run_turn")] == ["0000000000000000001"]
    assert len(bench.upstream.calls("upload_files")) == 1


@pytest.mark.parametrize("broken", ["create_session", "upload_files"])
def test_nothing_is_paid_for_in_a_session_whose_making_broke_off(bench, job, picture, broken):
    working = bench.upstream._answers[broken][0]
    bench.upstream.script(broken, errors.NotSent(), working)
    bench.upstream.script("state", errors.SessionNotFound(), BEFORE, BEFORE, BEFORE, AFTER)
    with pytest.raises(errors.NotSent):
        bench.instruct.run(job(inputs=(picture,)))
    bench.instruct.run(job(inputs=(picture,)))
    [turn] = bench.upstream.calls("run_turn")
    uploads = [call["session_id"] for call in bench.upstream.calls("upload_files")]
    assert turn["session_id"] == uploads[-1]
    assert bench.world.input_states == {0: "sent"}


def test_a_session_lost_between_two_instructions_is_not_made_again(bench, job):
    bench.upstream.script("state", errors.SessionNotFound())
    with pytest.raises(errors.SessionNotFound):
        bench.instruct.run(job(instructions=("a", "b"), instruction_index=1))
    assert bench.upstream.sessions == 0


# --- deadlines and watching -------------------------------------------------------------------------------------------


def test_a_job_that_is_late_sends_nothing(bench, job):
    verdict = bench.instruct.run(job(finish_by=LONG_AGO))
    assert isinstance(verdict.cause, errors.DeadlineUnreachable)
    assert bench.upstream.sent == []


def test_a_job_that_cannot_be_done_in_time_sends_nothing(bench, job):
    bench.history.estimates = Estimates(samples=ENOUGH_TO_JUDGE, work_p10_s=300.0)
    verdict = bench.instruct.run(job(finish_by=NOW + timedelta(seconds=299)))
    assert isinstance(verdict.cause, errors.DeadlineUnreachable)
    assert (bench.upstream.sent, bench.world.turns) == ([], {})
    assert bench.history.asked == [(TENANT, ONE_TURN)]


@pytest.mark.parametrize(
    ("changes", "estimates"),
    [
        ({"finish_by": NOW + timedelta(seconds=301)}, Estimates(samples=ENOUGH_TO_JUDGE, work_p10_s=300.0)),
        ({"finish_by": NOW + timedelta(seconds=1)}, Estimates(samples=ENOUGH_TO_JUDGE - 1, work_p10_s=300.0)),
        ({}, Estimates(samples=ENOUGH_TO_JUDGE, work_p10_s=300.0)),
        (
            {"finish_by": NOW + timedelta(seconds=1), "billing": Billing(spent=1, certainty="inferred")},
            Estimates(samples=ENOUGH_TO_JUDGE, work_p10_s=300.0),
        ),
    ],
    ids=["in time", "too little history", "no deadline", "paid already"],
)
def test_any_other_job_sends(bench, job, changes, estimates):
    bench.history.estimates = estimates
    bench.upstream.script("state", BEFORE, AFTER)
    bench.instruct.run(job(**changes))
    assert len(bench.upstream.calls("run_turn")) == 1


def test_a_late_job_exports_what_is_paid_and_pays_for_no_more(bench, job):
    paid = {"billing": Billing(spent=10, certainty="inferred"), "instructions": ("a", "b"), "instruction_index": 1}
    changed = {"instruction": 1, "verdict": "changed"}
    verdict = bench.instruct.run(job(finish_by=LONG_AGO, receipts=(changed,), **paid))
    assert (verdict.to, verdict.data) == (Status.RENDERING, {"late": True})
    for nothing in ({"outputs": ()}, {"receipts": ({**changed, "verdict": "unchanged"},)}):
        verdict = bench.instruct.run(job(**{"finish_by": LONG_AGO, "receipts": (changed,), **paid, **nothing}))
        assert isinstance(verdict.cause, errors.DeadlineExceeded)
    assert bench.upstream.sent == []


def test_a_job_that_is_late_still_settles_what_it_sent(bench, job):
    sent(bench)
    bench.upstream.script("state", AFTER)
    late = {"finish_by": LONG_AGO}
    assert isinstance(bench.instruct.run(job(**late)), Snooze)
    assert bench.instruct.run(job(**late)).to is Status.RENDERING


def test_the_bar_moves_with_signs_of_life_and_neither_too_often_nor_to_its_end(bench, job):
    def turn(on_progress, **_):
        for _ in range(2000):
            bench.clock.forward(0.5)
            on_progress(TurnProgress("heartbeat"))
        return said("Done.")

    bench.upstream.script("run_turn", turn)
    bench.upstream.script("state", BEFORE, AFTER)
    bench.instruct.run(job())
    shown = bench.claims.progress
    assert shown == sorted(set(shown))
    assert shown[0] > 15
    assert shown[-1] <= 70
    assert len(shown) < 60


def test_a_turn_can_be_reached_while_it_runs_and_not_after(bench, job):
    def turn(**_):
        assert len(bench.live) == 1
        return said("Done.")

    bench.upstream.script("run_turn", turn)
    bench.upstream.script("state", BEFORE, AFTER)
    claim = job()
    bench.instruct.run(claim)
    assert len(bench.live) == 0
    assert not bench.live.cancel(claim.job.id)


# --- canceled in the middle -------------------------------------------------------------------------------------------


def test_a_cancel_ends_the_turn_and_says_what_it_may_have_cost(bench, job):
    def turn(control, **_):
        assert bench.live.cancel(job().job.id)
        assert control.aborted
        raise cut()

    bench.upstream.script("run_turn", turn)
    bench.upstream.script("balance", balance(100), balance(70, 10))
    verdict = bench.instruct.run(job())
    assert isinstance(verdict, Canceled)
    assert (verdict.learned.billing.spent, verdict.learned.billing.at_risk) == (20, 10)


def test_a_cancel_of_a_turn_whose_session_cannot_be_seen_says_so(bench, job):
    sent(bench)
    bench.upstream.script("state", errors.UpstreamUnavailable())
    verdict = bench.cancel.run(job(cancel_requested_at=NOW))
    assert verdict.learned.billing.certainty == "unknown"


def test_a_cancel_of_a_turn_whose_session_is_not_known_any_more_says_so(bench, job):
    sent(bench)
    claim = job(cancel_requested_at=NOW, project_id=None)
    assert bench.cancel.run(claim).learned.billing.certainty == "unknown"


def test_a_cancel_of_a_job_that_sent_nothing_cost_nothing(bench, job):
    assert bench.cancel.run(job(cancel_requested_at=NOW)) == Canceled()
    assert bench.upstream.calls("state") == []
    assert bench.world.tokens[TOKEN].health is TokenHealth.OK
