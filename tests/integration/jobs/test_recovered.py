"""What arrives after a job was canceled or ran out of time, through the real statements."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from fakes.engine import RESULT
from fakes.studio import Killed
from reelqueue.domain.documents import job_document
from reelqueue.domain.intake import NewJob
from reelqueue.domain.jobs import Billing, Status, WaitingReason
from reelqueue.domain.outputs import Output
from reelqueue.domain.retrying import beginning
from reelqueue.domain.upstream import Balance, CutReason, RenderPhase, RenderReport, TurnCut
from reelqueue.errors import RenderUnknown, ResultUnusable, StateConflict, UpstreamUnavailable
from reelqueue.store.past_jobs import PastJobs
from reelqueue.store.tables import credit_entries, draft_versions, job_events, recoveries, turns

PENDING = RenderReport(RenderPhase.PROCESSING, 10.0, None)
FAILED = RenderReport(RenderPhase.FAILED, None, None)
DONE = RenderReport(RenderPhase.COMPLETED, 100.0, "https://cdn.invalid/late.mp4")
TWO = (Output(quality="low"), Output(quality="high"))


def reports(plant, *answers):
    """The answers of the next polls, in order; the last one stays."""
    left = list(answers)

    def report(*_):
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    plant.studio.render_report = report


def told(plant, job):
    statement = select(job_events.c.data).where(job_events.c.job_id == job.id, job_events.c.type == "job.recovered")
    with plant.database.statement() as connection:
        return list(connection.execute(statement.order_by(job_events.c.seq)).scalars())


def watched(plant, job):
    with plant.database.statement() as connection:
        return connection.execute(select(recoveries).where(recoveries.c.job_id == job.id)).mappings().first()


def late(plant, job, seconds):
    """As if so much time had passed since the job ended."""
    with plant.database.statement() as connection:
        earlier = recoveries.c.created_at - timedelta(seconds=seconds)
        connection.execute(update(recoveries).where(recoveries.c.job_id == job.id).values(created_at=earlier))


def canceled_while_rendering(plant, *answers, stopped=False, **changes):
    """A job that is canceled with its exports under way; afterwards they are as `answers` say."""
    job = plant.accept(**changes)
    reports(plant, PENDING)
    plant.studio.cancel_render = lambda *_: stopped
    outputs = len(changes.get("outputs", (1,)))
    before = len(plant.studio.renders)
    for _ in range(40):
        plant.round()
        if len(plant.studio.renders) == before + outputs:
            break
    plant.jobs.request_cancel(plant.tenant, job.id)
    ended = plant.run(job.id)
    assert ended.status is Status.CANCELED
    reports(plant, *answers)
    return ended


# --- files ------------------------------------------------------------------------------------------------------------


def test_an_export_that_finishes_after_a_cancel_is_kept_and_announced(plant):
    ended = canceled_while_rendering(plant, PENDING, PENDING, DONE)
    job = plant.watch(ended.id)
    assert (job.status, job.result, job.finished_at) == (Status.CANCELED, None, ended.finished_at)
    assert job.recovered.file(0) == RESULT
    assert job.recovered.expires_at - job.recovered.at == timedelta(hours=24)
    assert plant.board.events(job.id)[-2:] == [(6, "job.canceled"), (7, "job.recovered")]
    [data] = told(plant, job)
    assert data["output"] == 1
    assert data["result"]["url"] == f"/v1/jobs/{job.id}/outputs/1/result"
    assert job_document(job)["recovered"]["result"] == data["result"]
    assert "blob_key" not in str(job_document(job))
    assert (len(plant.studio.turns), len(plant.studio.renders)) == (1, 1)


@pytest.mark.parametrize(
    ("answers", "looks"),
    [((PENDING, FAILED), 2), ((FAILED,), 1), ((PENDING, RenderUnknown()), 2)],
    ids=["failed later", "failed", "forgotten"],
)
def test_an_export_that_fails_ends_in_silence(plant, answers, looks):
    ended = canceled_while_rendering(plant, *answers)
    job = plant.watch(ended.id)
    assert (job, told(plant, job), watched(plant, job)["looks"]) == (ended, [], looks)


def test_an_export_that_never_finishes_is_given_up(plant):
    ended = canceled_while_rendering(plant, PENDING)
    for _ in range(5):
        plant.round()
    assert watched(plant, ended)["dispatch"] != "done"
    late(plant, ended, plant.watch_s)
    job = plant.watch(ended.id)
    assert (job, told(plant, job)) == (ended, [])


def test_an_export_that_the_upstream_has_stopped_is_not_watched(plant):
    assert watched(plant, canceled_while_rendering(plant, DONE, stopped=True)) is None


def test_an_upstream_that_is_down_for_a_while_is_asked_again(plant):
    ended = canceled_while_rendering(plant, *[UpstreamUnavailable()] * 5, DONE)
    assert plant.watch(ended.id).recovered.file(0) == RESULT


def test_a_file_that_cannot_be_fetched_yet_is_fetched_later(plant):
    ended = canceled_while_rendering(plant, DONE)
    whole, tries = plant.keeper.keep, []

    def keep(job, url, *, number):
        tries.append(url)
        if len(tries) < 3:
            raise ResultUnusable
        return whole(job, url, number=number)

    plant.keeper.keep = keep
    assert plant.watch(ended.id).recovered.file(0) == RESULT
    assert tries == [DONE.url] * 3


def test_each_output_is_announced_when_it_comes_and_one_that_cannot_be_fetched_stands_in_no_ones_way(plant):
    ended = canceled_while_rendering(plant, DONE, outputs=TWO)
    whole, refused = plant.keeper.keep, []

    def keep(job, url, *, number):
        if number == 1 and len(refused) < 3:
            refused.append(number)
            raise ResultUnusable
        return whole(job, url, number=number)

    plant.keeper.keep = keep
    job = plant.watch(ended.id)
    assert [data["output"] for data in told(plant, job)] == [2, 1]
    assert [file.output for file in job.recovered.files] == [0, 1]


def test_a_job_that_was_canceled_while_saving_gets_what_it_had_rendered(plant):
    job = plant.accept()

    def cancel(*_, **__):
        plant.jobs.request_cancel(plant.tenant, job.id)
        raise UpstreamUnavailable

    whole, plant.keeper.keep = plant.keeper.keep, cancel
    assert plant.run(job.id).status is Status.CANCELED
    plant.keeper.keep = whole
    assert plant.watch(job.id).recovered.file(0) == RESULT


def test_a_job_that_ran_out_of_time_is_watched_too(plant):
    job = plant.accept()
    reports(plant, PENDING)
    plant.studio.cancel_render = lambda *_: False
    while not plant.studio.renders:
        plant.round()
    with plant.database.statement() as connection:
        past = "UPDATE renders SET submitted_at = submitted_at - interval '1 hour'"
        connection.exec_driver_sql(past)
    ended = plant.run(job.id)
    assert (ended.status, ended.error.code) == (Status.FAILED, "upstream_render_timeout")
    reports(plant, PENDING, DONE)
    found = plant.watch(job.id)
    assert (found.status, found.recovered.file(0)) == (Status.FAILED, RESULT)


def test_a_job_that_failed_for_good_is_not_watched(plant):
    reports(plant, FAILED)
    ended = plant.run(plant.accept().id)
    assert (ended.error.code, watched(plant, ended)) == ("upstream_render_failed", None)


def test_a_worker_killed_at_any_call_announces_one_file_once(plant):
    ended = canceled_while_rendering(plant, DONE)
    plant.wire.calls.clear()
    plant.watch(ended.id)
    points = len(plant.wire.calls)
    assert {"recoveries.claim", "keeper.keep", "recoveries.record"} <= set(plant.wire.calls)
    for kill_at in range(1, points + 1):
        ended = canceled_while_rendering(plant, DONE)
        plant.wire.calls.clear()
        plant.wire.kill_at = kill_at
        job = plant.watch(ended.id)
        where = plant.wire.calls[kill_at - 1]
        plant.wire.kill_at = 0
        assert len(told(plant, job)) == 1, where
        assert job.recovered.files[0].result == RESULT, where
        assert [kind for _, kind in plant.board.events(job.id)].count("job.canceled") == 1, where


def test_a_look_that_kills_every_worker_is_given_up(plant):
    ended = canceled_while_rendering(plant, DONE)

    def kill(*_, **__):
        raise Killed

    plant.keeper.keep = kill
    job = plant.watch(ended.id)
    assert (told(plant, job), watched(plant, job)["looks"]) == ([], 1)


# --- turns ------------------------------------------------------------------------------------------------------------


def canceled_while_instructing(plant, job):
    """The owner cancels while the last turn runs: its stream is closed, and what the upstream does then is open."""
    whole = plant.studio.run_turn

    def turn(credential, *, session_id, text, control, on_progress):
        if text != job.instructions[-1]:
            return whole(credential, session_id=session_id, text=text, control=control, on_progress=on_progress)
        control.gate()
        control.count(1)
        plant.jobs.request_cancel(plant.tenant, job.id)
        assert plant.worker.live.cancel(job.id)
        plant.session_id = session_id
        raise TurnCut(reason=CutReason.BROKEN, partial=None)

    plant.studio.run_turn = turn
    ended = plant.run(job.id)
    plant.studio.run_turn = whole
    assert ended.status is Status.CANCELED
    return ended


def the_work_goes_on(plant, job):
    plant.studio.turns.append((plant.session_id, job.instructions[-1]))
    plant.studio.charged += 10


def entries(plant, job):
    statement = select(credit_entries.c.spent, credit_entries.c.certainty).where(credit_entries.c.job_id == job.id)
    with plant.database.statement() as connection:
        return [tuple(row) for row in connection.execute(statement)]


def versions(plant, job):
    statement = select(draft_versions.c.number).where(draft_versions.c.job_id == job.id)
    with plant.database.statement() as connection:
        return list(connection.execute(statement).scalars())


def test_a_turn_that_goes_on_after_a_cancel_leaves_a_version_and_is_billed(plant):
    ended = canceled_while_instructing(plant, plant.accept())
    assert (entries(plant, ended), ended.billing.spent) == ([], 0)
    plant.round()
    the_work_goes_on(plant, ended)
    job = plant.watch(ended.id)
    assert job.status is Status.CANCELED
    assert (job.recovered.version, job.recovered.files, job.recovered.expires_at) == (1, (), None)
    assert told(plant, job) == [{"version": 1, "instruction": 1}]
    assert versions(plant, job) == [1]
    assert entries(plant, job) == [(10, "inferred")]
    assert job.billing == Billing(spent=10, at_risk=0, certainty="inferred")
    [receipt] = job.receipts
    assert (receipt["version"], receipt["recovered"], receipt["verdict"]) == (1, True, "changed")
    assert len(plant.studio.turns) == 1


def test_a_turn_whose_work_was_stopped_ends_in_silence(plant):
    ended = canceled_while_instructing(plant, plant.accept())
    job = plant.watch(ended.id)
    assert (told(plant, job), job.recovered, job.receipts) == ([], None, ())
    assert (entries(plant, job), job.billing.certainty) == ([(0, "inferred")], "inferred")
    assert watched(plant, job)["looks"] == 5
    assert plant.board.turn(job.id)["state"] == "unknown"


def test_reserved_credits_are_waited_for_and_billed_when_they_are_charged(plant):
    job = plant.accept()
    plant.studio.balance = lambda _: Balance(available=100, frozen=0, total=100)
    ended = canceled_while_instructing(plant, job)
    plant.studio.balance = lambda _: Balance(available=70, frozen=30, total=100)
    for _ in range(12):
        plant.round()
    assert watched(plant, ended)["dispatch"] != "done"
    the_work_goes_on(plant, ended)
    for _ in range(6):
        plant.round()
    assert (watched(plant, ended)["dispatch"] != "done", told(plant, ended)) == (True, [])
    plant.studio.balance = lambda _: Balance(available=75, frozen=0, total=75)
    assert plant.watch(ended.id).billing == Billing(spent=25, at_risk=0, certainty="inferred")


def test_a_turn_that_is_still_at_work_when_the_time_is_over_counts_as_it_stands(plant):
    job = plant.accept()
    plant.studio.balance = lambda _: Balance(available=100, frozen=0, total=100)
    ended = canceled_while_instructing(plant, job)
    the_work_goes_on(plant, ended)
    plant.studio.balance = lambda _: Balance(available=70, frozen=30, total=100)
    late(plant, ended, plant.watch_s)
    job = plant.watch(ended.id)
    assert (job.recovered.version, job.billing) == (1, Billing(spent=0, at_risk=30, certainty="inferred"))


def test_a_session_that_cannot_be_read_until_the_end_leaves_the_cost_unknown(plant):
    ended = canceled_while_instructing(plant, plant.accept())

    def down(*_):
        raise UpstreamUnavailable

    plant.studio.state = down
    for _ in range(5):
        plant.round()
    assert entries(plant, ended) == []
    late(plant, ended, plant.watch_s)
    job = plant.watch(ended.id)
    assert (told(plant, job), entries(plant, job)) == ([], [(0, "unknown")])
    assert job.billing.certainty == "unknown"


def test_a_worker_killed_at_any_call_books_once_and_tells_once(plant):
    first = canceled_while_instructing(plant, plant.accept())
    the_work_goes_on(plant, first)
    plant.wire.calls.clear()
    plant.watch(first.id)
    for kill_at in range(1, len(plant.wire.calls) + 1):
        plant.studio.charged = 0.0
        ended = canceled_while_instructing(plant, plant.accept())
        the_work_goes_on(plant, ended)
        plant.wire.calls.clear()
        plant.wire.kill_at = kill_at
        job = plant.watch(ended.id)
        where = plant.wire.calls[kill_at - 1]
        plant.wire.kill_at = 0
        assert told(plant, job) == [{"version": 1, "instruction": 1}], where
        assert (entries(plant, job), job.billing.spent) == ([(10, "inferred")], 10), where
        assert len(job.receipts) == 1, where


def test_earlier_turns_stay_on_the_bill(plant):
    ended = canceled_while_instructing(plant, plant.accept("animate this", "add music"))
    assert (ended.instruction_index, ended.billing.spent) == (1, 10)
    the_work_goes_on(plant, ended)
    job = plant.watch(ended.id)
    assert (job.billing.spent, [spent for spent, _ in entries(plant, job)]) == (20, [10, 10])
    assert told(plant, job) == [{"version": 2, "instruction": 2}]


# --- what follows for others ------------------------------------------------------------------------------------------


def test_a_project_is_busy_until_the_turn_is_known_to_be_over(plant):
    ended = canceled_while_instructing(plant, plant.accept())
    new = NewJob(tenant_id=plant.tenant, instructions=("add music",), inputs=(), project_id=ended.project_id)
    waiting = plant.intake.accept(new).job
    assert waiting.waiting.reason is WaitingReason.PROJECT
    assert plant.jobs.find(plant.tenant, waiting.id).waiting.reason is WaitingReason.PROJECT
    plant.sweep.restore_flags()
    assert plant.dispatch.admit(10) == []
    the_work_goes_on(plant, ended)
    plant.watch(ended.id)
    plant.sweep.restore_flags()
    assert plant.jobs.find(plant.tenant, waiting.id).waiting.reason is WaitingReason.TURN
    assert plant.run(waiting.id).status is Status.SUCCEEDED
    assert [text for _, text in plant.studio.turns] == ["animate this", "add music"]


def test_an_export_that_is_watched_keeps_no_project_busy(plant):
    ended = canceled_while_rendering(plant, PENDING)
    new = NewJob(tenant_id=plant.tenant, instructions=("add music",), inputs=(), project_id=ended.project_id)
    assert plant.intake.accept(new).job.waiting.reason is WaitingReason.TURN


def test_a_retry_goes_on_behind_a_turn_that_was_carried_out(plant):
    ended = canceled_while_instructing(plant, plant.accept())
    past = PastJobs(plant.database)
    with pytest.raises(StateConflict):
        beginning(past.find(plant.tenant, ended.id), accept_double_charge=False)
    the_work_goes_on(plant, ended)
    plant.watch(ended.id)
    begin = beginning(past.find(plant.tenant, ended.id), accept_double_charge=False)
    assert (begin.instruction_index, begin.version) == (1, 1)


def test_a_retry_of_a_job_whose_file_arrived_exports_again(plant):
    ended = canceled_while_rendering(plant, DONE)
    plant.watch(ended.id)
    begin = beginning(PastJobs(plant.database).find(plant.tenant, ended.id), accept_double_charge=False)
    assert (begin.instruction_index, begin.version) == (1, 1)


def test_what_arrived_is_told_by_webhook_with_the_job_as_it_now_stands(plant):
    ended = canceled_while_rendering(plant, DONE, webhook_url="https://own.example/")
    plant.watch(ended.id)
    messages = plant.board.messages(ended.id)
    assert [one["type"] for one in messages] == ["job.canceled", "job.recovered"]
    assert f'"sha256":"{asdict(RESULT)["sha256"]}"' in messages[-1]["payload"]
    assert '"recovered":{"result":{' in messages[-1]["payload"]


def test_nothing_is_watched_for_a_job_that_sent_nothing(plant):
    job = plant.jobs.request_cancel(plant.tenant, plant.accept().id)
    assert watched(plant, job) is None
    assert plant.board.count(turns, turns.c.job_id == job.id) == 0
