"""Ten minutes in which NemoVideo answers everything with 429: the job waits; nothing is lost, spent or asked twice."""

from __future__ import annotations

import itertools

import pytest

from fakes.fault_cells import SEQUENCE
from fakes.fault_laws import broken

STORM_S = 600.0
WAITS = {"upstream_rate_limited", "token_cooling", "token_rate"}


@pytest.mark.parametrize("parameters", [{}, {"retry_after": "20"}], ids=["silent about how long", "20 s each time"])
@pytest.mark.parametrize("after", [0, SEQUENCE.index("run_sse"), SEQUENCE.index("render_status")])
def test_no_job_fails_in_a_storm_of_429(fault_run, after, parameters):
    outcome = fault_run.storm(STORM_S, after=after, **parameters)
    assert broken(outcome, struck=False) == []
    job = outcome.job
    assert (job.status, job.attempt, job.error, outcome.charged) == ("succeeded", 0, None, 100)
    put_off = [wait for wait in outcome.course.waits if wait.reason in WAITS]
    assert sum(wait.seconds for wait in put_off) >= STORM_S - 30
    assert len(put_off) <= 14, "each 429 in a row doubles the pause"
    refused = [request for request in outcome.ledger["requests"] if request["status"] == 429]
    assert 0 < len(refused) <= 8
    moments = [request["at"] for request in refused]
    assert all(later - sooner >= 20 for sooner, later in itertools.pairwise(moments))


def test_what_a_storm_leaves_behind_is_a_lower_rate_that_comes_back(fault_run):
    """Two 429s, each after the other's cooling: half of half the rate, and no strike once a call has succeeded."""
    fault_run.storm(1.0, after=3)
    services = fault_run._engine.services
    token = services.tokens.own(fault_run._engine.job().tenant_id)
    assert (token.strikes, token.health) == (0, "ok")
    assert 75 < token.learned_per_minute < 80
