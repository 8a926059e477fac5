"""Run one job while a fault strikes one call, and put the twin's ledger beside our tables."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import delete, select

from fakes.crash_points import Point
from fakes.crash_worker import Nursery
from fakes.fault_cells import CALLS, Cell
from fakes.twin import Twin
from fakes.twin_engine import Course, TwinEngine
from fakes.twin_time import patient_upstream
from reelqueue.domain.jobs import Job, Status
from reelqueue.store.tables import breakers, former_sessions, job_events, projects, renders, turns
from reelqueue.wiring.worker import Worker

CREDITS = 1000
SETTINGS = {
    "silent_rate": 0.0,
    "trailing_issue_rate": 0.0,
    "generation_seconds": (100, 100),
    "render_seconds": (4, 4),
    "heartbeat_seconds": 40,
    "film_fps": 1,
}
"""A twin that does nothing by chance, and whose films take no time to speak of."""
AFTERMATH_S = 7200.0
"""How long after the job's end the ledger is read: whatever still ran upstream is over by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a job came to, from both sides."""

    job: Job
    course: Course
    ledger: Mapping[str, Sequence[Mapping[str, Any]]]
    events: tuple[tuple[int, str], ...]
    sessions: tuple[str | None, ...]
    """The ids in our tables; `None` where one was begun and the answer never came."""
    renders: frozenset[str]
    turns: tuple[str, ...]
    """The states of our turns."""
    struck: int
    films: Mapping[str, str]
    """The SHA-256 of each film that was finished upstream, by render id."""

    @property
    def charged(self) -> int:
        """Credits that left the account for good."""
        return self._credits("charged")

    @property
    def frozen(self) -> int:
        """Credits that are reserved to this day."""
        return self._credits("frozen")

    def _credits(self, outcome: str) -> int:
        return sum(charge["amount"] for charge in self.ledger["charges"] if charge["outcome"] == outcome)

    def asked(self, endpoint: str) -> int:
        """How often the upstream heard a call of that kind."""
        return sum(request["endpoint"] == endpoint for request in self.ledger["requests"])


class FaultRun:
    """Runs cells, one after the other, with one engine and one twin."""

    def __init__(self, engine: TwinEngine, twin: Twin) -> None:
        self._engine = engine
        self._twin = twin

    def run(self, cell: Cell | None, **settings: Any) -> Outcome:
        """The outcome of one cell, or of a job that nothing happens to, with a twin of these settings."""
        call = CALLS[cell.call] if cell is not None else None
        tenant = self._begin(anonymous=call is not None and call.anonymous, **settings)
        if cell is not None and call is not None:
            for endpoint, fault, parameters in call.also:
                self._twin.fault(endpoint, fault, **parameters)
            self._twin.fault(call.endpoint, cell.armed, after=call.passing, **cell.parameters)
        worker = self._engine.start()
        self._engine.accept(tenant)
        between = self._cancel if call is not None and call.cancels else lambda: None
        with patient_upstream(self._engine.clock):
            course = self._engine.run(worker.runner.work, between=between)
        return self.outcome(course)

    def storm(self, seconds: float, *, after: int, **parameters: Any) -> Outcome:
        """The outcome of a job during which, from its `after`-th call on, everything is answered 429 for so long."""
        tenant = self._begin(anonymous=False)
        self._twin.fault("*", "429", after=after, count=None, **parameters)
        worker, clock = self._engine.start(), self._engine.clock
        self._engine.accept(tenant)
        ends = clock.monotonic() + seconds

        def between() -> None:
            if clock.monotonic() >= ends:
                self._twin.http.delete("/_twin/faults")

        with patient_upstream(clock):
            course = self._engine.run(worker.runner.work, between=between)
        return self.outcome(course)

    def survive(self, point: Point, nursery: Nursery) -> Outcome:
        """The outcome of a job whose worker dies at a point, and which another worker goes on with."""
        engine = self._engine
        engine.clock.on_passing = lambda: None
        tenant = self._begin(anonymous=False)
        job = engine.accept(tenant)
        order = {"place": point.place, "nth": point.nth, "job": job.id, "folder": str(engine.folder)}
        database = engine.settings.database_url.get_secret_value()
        nursery.bear({**order, "twin": self._twin.url, "database": database})
        heir: Worker | None = None

        def work(job_id: str) -> None:
            nonlocal heir
            if heir is not None:
                heir.runner.work(job_id)
                return
            died, engine.claims.wait = nursery.ring()
            engine.rejoin()
            if died:
                engine.bury()
                heir = engine.start()

        with patient_upstream(engine.clock):
            course = engine.run(work)
        if heir is None:
            nursery.release()
        return replace(self.outcome(course), struck=int(heir is not None))

    def outcome(self, course: Course) -> Outcome:
        """Both sides' books, once everything is over."""
        job, clock = self._engine.job(), self._engine.clock
        clock.run_out(AFTERMATH_S)
        armed = self._twin.http.get("/_twin/faults").json()["armed"]
        self._twin.http.delete("/_twin/faults")
        ledger = self._twin.ledger()
        with self._engine.services.database.statement() as connection:
            events = connection.execute(
                select(job_events.c.seq, job_events.c.type).where(job_events.c.job_id == job.id).order_by("seq")
            ).all()
            sessions = [
                session_id
                for table in (projects, former_sessions)
                for session_id in connection.execute(
                    select(table.c.session_id).where(table.c.tenant_id == job.tenant_id)
                ).scalars()
            ]
            ours = connection.execute(select(renders.c.id).where(renders.c.job_id == job.id)).scalars().all()
            sent = connection.execute(select(turns.c.state).where(turns.c.job_id == job.id)).scalars().all()
        return Outcome(
            job=job,
            course=course,
            ledger=ledger,
            events=tuple((row.seq, row.type) for row in events),
            sessions=tuple(sessions),
            renders=frozenset(ours),
            turns=tuple(sent),
            struck=armed[-1]["struck"] if armed else 0,
            films=self._films(ledger),
        )

    def _begin(self, *, anonymous: bool, **settings: Any) -> str:
        self._twin.control("reset")
        self._forget_outages()
        self._twin.settings(**{**SETTINGS, **settings})
        token = None if anonymous else self._twin.control("tokens", credits=CREDITS)["token"]
        return self._engine.tenant(token)

    def _forget_outages(self) -> None:
        """What one cell's job met is no sign for the next cell's."""
        services = self._engine.services
        with services.database.statement() as connection:
            connection.execute(delete(breakers))
        services.watch.refresh()

    def _cancel(self) -> None:
        """The owner's cancel, once the export has begun."""
        job = self._engine.job()
        submitted = bool(self._engine.services.renders.open_of(job.id))
        if job.status is Status.RENDERING and submitted and job.cancel_requested_at is None:
            self._engine.services.jobs.request_cancel(job.tenant_id, job.id)

    def _films(self, ledger: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, str]:
        done = [render["render_id"] for render in ledger["renders"] if render["status"] == "completed"]
        found = {}
        for render_id in done:
            answer = self._twin.http.get(f"{self._twin.cdn_url}/render-result/{render_id}.mp4")
            found[render_id] = hashlib.sha256(answer.content).hexdigest()
        return found
