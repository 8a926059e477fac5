"""One generation, several exports, through the real statements."""

from __future__ import annotations

from sqlalchemy import select

from fakes.engine import RESULT
from reelqueue.domain.documents import job_document
from reelqueue.domain.jobs import Status
from reelqueue.domain.outputs import Output
from reelqueue.errors import ResultUnusable
from reelqueue.store.tables import job_events, renders

THREE = tuple(Output(quality=quality) for quality in ("low", "medium", "high"))
HELP = "https://help.invalid/"
END = ["rendering", "saving", "exported", "exported", "exported"]


def path(plant, job):
    return [kind.removeprefix("job.") for _, kind in plant.board.events(job.id)]


def told(plant, job):
    statement = select(job_events.c.data).where(job_events.c.job_id == job.id, job_events.c.type == "job.exported")
    with plant.database.statement() as connection:
        return list(connection.execute(statement.order_by(job_events.c.seq)).scalars())


def test_one_turn_three_renders_three_events_and_one_end(plant):
    job = plant.run(plant.accept(outputs=THREE).id)
    assert job.status is Status.SUCCEEDED
    assert path(plant, job) == ["queued", "started", "uploading", "instructing", *END, "succeeded"]
    assert len(plant.studio.turns) == 1
    assert len(plant.studio.renders) == 3
    assert [(data["output"], data["quality"], data["status"]) for data in told(plant, job)] == [
        (1, "low", "succeeded"),
        (2, "medium", "succeeded"),
        (3, "high", "succeeded"),
    ]
    assert [output["status"] for output in job_document(job)["outputs"]] == ["succeeded"] * 3
    assert job.result == RESULT


def test_a_failed_one_fails_the_job_and_leaves_the_other_results(plant):
    whole, asked = plant.keeper.keep, []

    def keep(job, url, *, number):
        asked.append(number)
        if number == 2:
            raise ResultUnusable("It is cut short.", detail={"link": HELP})
        return whole(job, url, number=number)

    plant.keeper.keep = keep
    job = plant.run(plant.accept(outputs=THREE).id)
    assert (job.status, job.error.code) == (Status.FAILED, ResultUnusable.code)
    assert (job.error.message, job.error.link) == ("It is cut short.", HELP)
    assert told(plant, job)[1]["error"] == {"code": ResultUnusable.code, "message": "It is cut short.", "link": HELP}
    assert path(plant, job) == ["queued", "started", "uploading", "instructing", *END, "failed"]
    assert asked == [1, *[2] * 6, 3]
    assert [output["status"] for output in job_document(job)["outputs"]] == ["succeeded", "failed", "succeeded"]
    assert job.result == RESULT


def test_a_worker_killed_at_any_call_renders_and_tells_each_output_once(plant):
    outputs = THREE[:2]
    plant.run(plant.accept(outputs=outputs).id)
    points = len(plant.wire.calls)
    for kill_at in range(1, points + 1):
        plant.wire.calls.clear()
        plant.wire.kill_at = kill_at
        job = plant.survive(plant.accept(outputs=outputs).id)
        where = (plant.wire.calls[kill_at - 1], job.error)
        kinds = path(plant, job)
        if job.status is Status.FAILED:
            assert job.error.code == "outcome_unknown", where
            continue
        assert [data["output"] for data in told(plant, job)] == [1, 2], where
        assert kinds[-1] == "succeeded", where
        assert kinds.count("succeeded") == 1, where
        with plant.database.statement() as connection:
            known = connection.execute(
                select(renders.c.output_index, renders.c.attempt)
                .where(renders.c.job_id == job.id)
                .order_by(renders.c.output_index)
            ).all()
        assert known == [(0, 1), (1, 1)], where
