from __future__ import annotations

import pytest

from fakes.engine import every_error
from reelqueue import errors
from reelqueue.domain.jobs import WaitingReason
from reelqueue.domain.pace import DEFAULT_COOLING_S
from reelqueue.domain.verdicts import Fail, Retry, Snooze
from reelqueue.jobs.faults import verdict_on


@pytest.mark.parametrize("kind", every_error())
def test_every_error_has_a_verdict_and_only_what_may_pass_is_tried_again(kind):
    verdict = verdict_on(kind())
    if issubclass(kind, errors.RateLimited):
        assert isinstance(verdict, Snooze)
        return
    assert isinstance(verdict, Retry | Fail)
    assert verdict.cause.code == kind.code
    if isinstance(verdict, Retry):
        told = kind.retryable or kind is errors.InternalError  # a bug of ours: the same again, for all we know
        assert told, "what is tried again must be worth trying again for the caller too"


@pytest.mark.parametrize("kind", [k for k in every_error() if issubclass(k, errors.UpstreamError)])
def test_who_is_told_to_try_again_is_told_that_it_may_help(kind):
    assert kind.retryable or kind.fix != errors.UpstreamError.fix or kind is errors.UpstreamError


@pytest.mark.parametrize(
    "kind",
    [
        errors.TurnInterrupted,
        errors.TurnFailed,
        errors.OutcomeUnknown,
        errors.SessionNotFound,
        errors.CreditsExhausted,
        errors.TokenRejected,
        errors.ExportNotAllowed,
        errors.RenderTimedOut,
        errors.Poisoned,
        errors.NoUpstreamToken,
    ],
)
def test_these_are_final(kind):
    assert isinstance(verdict_on(kind()), Fail)


def test_a_429_waits_as_long_as_it_was_told_to_and_no_less():
    assert verdict_on(errors.RateLimited(retry_after=90)) == Snooze(90, WaitingReason.UPSTREAM_BUSY, exact=True)
    assert verdict_on(errors.RateLimited(retry_after=0)) == Snooze(0, WaitingReason.UPSTREAM_BUSY, exact=True)
    assert verdict_on(errors.RateLimited()) == Snooze(DEFAULT_COOLING_S, WaitingReason.UPSTREAM_BUSY, exact=False)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (errors.UpstreamThrottled, WaitingReason.TOKEN_RATE),
        (errors.TokenCooling, WaitingReason.TOKEN_COOLING),
        (errors.TokenBlocked, WaitingReason.TOKEN_BLOCKED),
    ],
)
def test_our_own_limit_says_exactly_how_long_to_wait_and_why(kind, reason):
    assert verdict_on(kind(retry_after=3.25)) == Snooze(3.25, reason, exact=True)
