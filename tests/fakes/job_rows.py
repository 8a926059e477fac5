"""Jobs straight into the tables, in any status the law has, and what a worker would hold of them."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event, func, insert, select, text, update

from reelqueue.dev.postgres import EmbeddedPostgres
from reelqueue.domain.claims import Claim
from reelqueue.domain.jobs import Status, queue_of
from reelqueue.kit.acting import EVERYBODY
from reelqueue.kit.ids import new_id
from reelqueue.store.claims import Claims
from reelqueue.store.engine import Database, make_engine
from reelqueue.store.sequencer import Sequencer
from reelqueue.store.tables import (
    feed_events,
    job_events,
    job_inputs,
    jobs,
    messages,
    metadata,
    tenants,
    turns,
    upstream_tokens,
    workers,
)

ERROR = {"code": "x", "message": "x", "blame": "upstream", "retryable": False, "spent": None, "fix": "x"}
RESULT = {
    "blob_key": "k",
    "sha256": "0" * 64,
    "bytes": 1,
    "duration_ms": 1,
    "width": 1,
    "height": 1,
    "container": "mp4",
}


QUESTION = {"instruction": 0, "text": "Which song?", "asked_at": "2026-01-01T00:00:00Z", "until": None}


_FLOW = text(
    "INSERT INTO flows (tenant_id, customer, has_waiting) VALUES (:tenant, :customer, true)"
    " ON CONFLICT (tenant_id, customer) DO UPDATE SET has_waiting = true"
)


def standing(status: Status, **changes: Any) -> dict[str, Any]:
    """The columns that the CHECKs ask of a job in this status."""
    values: dict[str, Any] = {"status": status.value, "queue": queue_of(status).value}
    if status is not Status.QUEUED:
        values["admitted_at"] = func.now()
        values["started_at"] = func.now()
    if status.is_final:
        values |= {"dispatch": "done", "finished_at": func.now(), "due_at": None, "lease_owner": None}
    if status is Status.FAILED:
        values["error"] = ERROR
    values["question"] = QUESTION if status is Status.REQUIRES_INPUT else None
    if status is Status.SUCCEEDED:
        values["result"] = RESULT
    return {**values, **changes}


class JobRows:
    """Writes past the store. What it writes satisfies every CHECK."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def tenant(self, name: str, **values: Any) -> str:
        tenant_id = new_id("tenant")
        with self.database.statement() as connection:
            connection.execute(insert(tenants).values(id=tenant_id, name=name, webhook_secret=b"x", **values))
        return tenant_id

    def job(self, tenant_id: str, status: Status = Status.QUEUED, **changes: Any) -> str:
        """A job with its first event. Queued ones wait to be admitted, unless `admitted_at` is given."""
        job_id = changes.pop("id", None) or new_id("job")
        values = {"id": job_id, "tenant_id": tenant_id, "instructions": ["animate this"], "billing": {}}
        with self.database.transaction() as connection:
            connection.execute(insert(jobs).values(**{**values, **standing(status, **changes)}))
            connection.execute(
                insert(job_events).values(
                    id=new_id("event"), job_id=job_id, tenant_id=tenant_id, seq=1, type="job.queued"
                )
            )
            connection.execute(_FLOW, {"tenant": tenant_id, "customer": changes.get("customer") or ""})
        return job_id

    def upstream_token(self, owner: str | None, **values: Any) -> str:
        """A token of a tenant's, or of the pool's. Its secret is none."""
        token_id = new_id("upstream_token")
        row = {"id": token_id, "tenant_id": owner, "label": "x", "kind": "supplied", "secret": b"x"}
        with self.database.statement() as connection:
            connection.execute(insert(upstream_tokens).values(**row, fingerprint=token_id.encode(), **values))
        return token_id

    def many(self, tenant_id: str, count: int, first: int = 0) -> None:
        """That many new jobs, without events, and the tenant's flag."""
        with self.database.transaction() as connection:
            connection.execute(
                text(
                    "INSERT INTO jobs (id, tenant_id, instructions, billing)"
                    " SELECT 'job_' || substr(md5(:tenant), 1, 8) || lpad(n::text, 18, '0'), :tenant, '[\"x\"]', '{}'"
                    " FROM generate_series(CAST(:first AS integer), CAST(:last AS integer)) n"
                ),
                {"tenant": tenant_id, "first": first, "last": first + count - 1},
            )
            connection.execute(update(tenants).where(tenants.c.id == tenant_id).values(has_waiting=True))
            connection.execute(_FLOW, {"tenant": tenant_id, "customer": ""})

    def late(self, tenant_id: str, count: int) -> list[str]:
        """That many jobs whose `finish_by` has passed, each with its first event and a bell that was rung."""
        made = text(
            "WITH made AS (INSERT INTO jobs (id, tenant_id, instructions, billing, finish_by, dispatch, bell_at,"
            " admitted_at) SELECT 'job_' || substr(md5(:tenant), 1, 8) || lpad(n::text, 18, '0'), :tenant, '[\"x\"]',"
            " '{}', now() - interval '1 s', 'rung', now(), now() FROM generate_series(1, CAST(:count AS integer)) n"
            " RETURNING id), told AS (INSERT INTO job_events (id, job_id, seq, tenant_id, type)"
            " SELECT 'evt_' || substr(id, 5), id, 1, :tenant, 'job.queued' FROM made) SELECT id FROM made ORDER BY id"
        )
        with self.database.statement() as connection:
            return list(connection.execute(made, {"tenant": tenant_id, "count": count}).scalars())

    def worker(self, *queues: str, capacity: int = 100, alive_s: float = 30, state: str = "working") -> str:
        worker_id = new_id("worker")
        with self.database.statement() as connection:
            connection.execute(
                insert(workers).values(
                    id=worker_id,
                    node="n",
                    queues=list(queues or ("step", "stream", "webhook")),
                    capacity=capacity,
                    state=state,
                    expires_at=func.now() + func.make_interval(0, 0, 0, 0, 0, 0, alive_s),
                )
            )
        return worker_id

    def held(self, tenant_id: str, worker_id: str, status: Status = Status.INSTRUCTING, **changes: Any) -> Claim:
        """A job claimed by a worker, the way a bell would."""
        bell = {"dispatch": "rung", "bell_at": func.now(), "bells": 1, "admitted_at": func.now()}
        job_id = self.job(tenant_id, status, **{**bell, **changes})
        claim = Claims(self.database).claim(job_id, worker_id)
        assert claim is not None
        return claim

    def ring(self, job_id: str) -> None:
        """Mark an idle job as rung, as a dispatcher would."""
        self.write(job_id, dispatch="rung", bell_at=func.now(), bells=1, admitted_at=func.now())

    def steal(self, claim: Claim) -> None:
        """Take a job from its worker, as the sweep does with a dead one's."""
        self.write(claim.job.id, dispatch="idle", lease_owner=None, lease_epoch=jobs.c.lease_epoch + 1)

    def write(self, job_id: str, **values: Any) -> None:
        with self.database.statement() as connection:
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(**values))

    def read(self, job_id: str) -> dict[str, Any]:
        with self.database.statement() as connection:
            return dict(connection.execute(select(jobs).where(jobs.c.id == job_id)).mappings().one())

    def events(self, job_id: str) -> list[tuple[int, str]]:
        statement = select(job_events.c.seq, job_events.c.type).where(job_events.c.job_id == job_id)
        with self.database.statement() as connection:
            return [tuple(row) for row in connection.execute(statement.order_by(job_events.c.seq))]

    def told(self, job_id: str) -> list[dict[str, Any]]:
        """What stands in the feed of a job, in its order."""
        statement = select(feed_events).where(feed_events.c.job_id == job_id).order_by(feed_events.c.job_seq)
        with self.database.statement() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def messages(self, job_id: str) -> list[dict[str, Any]]:
        """What is sent of a job, with the body as the feed has it, once everything is numbered."""
        while Sequencer(self.database.as_service()).run_once():
            pass
        statement = (
            select(messages, feed_events.c.payload)
            .join(feed_events, feed_events.c.id == messages.c.event_id)
            .where(messages.c.job_id == job_id)
            .order_by(messages.c.seq, messages.c.id)
        )
        with self.database.statement() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def input(self, claim_or_id: Any, tenant_id: str, position: int = 0, **values: Any) -> None:
        with self.database.statement() as connection:
            connection.execute(
                insert(job_inputs).values(
                    **{
                        "job_id": claim_or_id,
                        "tenant_id": tenant_id,
                        "position": position,
                        "url": "https://x",
                        **values,
                    }
                )
            )

    def turn(self, job_id: str, position: int = 0) -> dict[str, Any]:
        statement = select(turns).where(turns.c.job_id == job_id, turns.c.position == position)
        with self.database.statement() as connection:
            return dict(connection.execute(statement).mappings().one())

    def count(self, table: Any, *where: Any) -> int:
        with self.database.statement() as connection:
            return connection.execute(select(func.count()).select_from(table).where(*where)).scalar_one()


@contextmanager
def one_database(cluster: EmbeddedPostgres, template: str) -> Any:
    """A migrated database for a whole module of tests that tell their rows apart by tenant."""
    name = f"module_{uuid.uuid4().hex[:12]}"
    database = Database(make_engine(cluster.create_database(name, template=template), pool_size=20, whose=EVERYBODY))
    try:
        yield database
    finally:
        database.dispose()
        cluster.drop_database(name)


def emptied(database: Database) -> Database:
    """The database without a row. Cheaper than a new one, for tests that look at all rows there are."""
    with as_owner(database) as connection:
        connection.execute(text(f"TRUNCATE {', '.join(metadata.tables)}"))
    return database


def analyzed(database: Database) -> None:
    """Let the planner learn what is in the tables. Of whoever does not own them PostgreSQL takes no such order."""
    with as_owner(database) as connection:
        connection.execute(text("ANALYZE"))


@contextmanager
def as_owner(database: Database) -> Any:
    """One transaction of the login role, which may do what the service may not."""
    engine = make_engine(database.engine.url.render_as_string(hide_password=False), role=None)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def counting(*databases: Database) -> Any:
    """The statements that go over these databases' connections inside the block, as a list that grows.

    Without those that tell a session for whom it works, of which there are none while nothing changes.
    """
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "set_config('reelqueue.tenant'" not in statement:
            seen.append(statement)

    for database in databases:
        event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        for database in databases:
            event.remove(database.engine, "before_cursor_execute", note)
