"""What a canceled job says of its cost and of its export, in each status."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from reelqueue.domain.jobs import Status
from reelqueue.domain.upstream import RenderPhase, RenderReport
from reelqueue.store.tables import job_events


def last_data(plant, job):
    statement = select(job_events.c.data).where(job_events.c.job_id == job.id).order_by(job_events.c.seq.desc())
    with plant.database.statement() as connection:
        return connection.execute(statement.limit(1)).scalar_one()


def test_a_queued_job_cost_exactly_nothing(plant):
    job = plant.jobs.request_cancel(plant.tenant, plant.accept().id)
    assert (job.status, job.billing.spent, job.billing.at_risk, job.billing.certainty) == (
        *(Status.CANCELED, 0, 0, "exact"),
    )
    assert last_data(plant, job) == {}


@pytest.mark.parametrize(("answer", "told"), [(True, "canceled"), (False, "running_on")])
def test_a_cancel_while_rendering_tells_whether_the_export_was_stopped(plant, answer, told):
    job = plant.accept()
    plant.studio.render_report = lambda *_: RenderReport(RenderPhase.PROCESSING, 10.0, None)
    plant.studio.cancel_render = lambda *_: answer
    for _ in range(40):
        plant.round()
        if plant.studio.renders:
            break
    plant.jobs.request_cancel(plant.tenant, job.id)
    ended = plant.run(job.id)
    assert (ended.status, ended.billing.spent, ended.billing.certainty) == (Status.CANCELED, 10, "inferred")
    assert last_data(plant, ended) == {"render": told}
