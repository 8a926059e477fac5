"""What many people write: a FastAPI `def` route that makes one row with the SQLAlchemy ORM, and nothing else.

No key is checked, no repeat is recognised, no event is written. The pool is SQLAlchemy's default. `bare_async_app` is
the other spelling.
"""

# No `from __future__ import annotations` here: FastAPI could not resolve the dependency, which is a local name.

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI
from pydantic import BaseModel, ConfigDict
from sqlalchemy import URL, Index, create_engine, make_url
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from reelqueue.kit.ids import new_id

URL_VARIABLE: Final = "BENCH_DATABASE_URL"
PATH: Final = "/jobs"


class Base(DeclarativeBase):
    """The metadata."""


class BareJob(Base):
    """The columns of our `jobs` that a request fills, in a table without any of its checks."""

    __tablename__ = "bare_jobs"

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str]
    status: Mapped[str]
    instructions: Mapped[list[str]] = mapped_column(JSONB)
    output: Mapped[dict[str, Any]] = mapped_column(JSONB)
    details: Mapped[dict[str, str]] = mapped_column(JSONB)
    external_id: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))

    __table_args__ = (Index("ix_bare_jobs_tenant_id_id", "tenant_id", "id"),)


class JobIn(BaseModel):
    """What comes."""

    instruction: str
    metadata: dict[str, str] = {}
    external_id: str | None = None


class JobOut(BaseModel):
    """What goes."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    status: str
    instructions: list[str]
    output: dict[str, Any]
    details: dict[str, str]
    external_id: str | None
    created_at: datetime


def create_app() -> FastAPI:
    """The route, in FastAPI's thread pool."""
    app = FastAPI()
    sessions = sessionmaker(create_engine(database_url()), expire_on_commit=False)

    def session() -> Iterator[Session]:
        with sessions() as opened:
            yield opened

    @app.post(PATH, status_code=202, response_model=JobOut)
    def submit(job: JobIn, session: Annotated[Session, Depends(session)]) -> BareJob:
        row = row_of(job)
        session.add(row)
        session.commit()
        return row

    add_health(app)
    return app


def create_table(url: str) -> None:
    """Make the table, which pgbench fills as well."""
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    Base.metadata.create_all(engine)
    engine.dispose()


def add_health(app: FastAPI) -> None:
    """Add what tells that it is up."""

    @app.get("/readyz")
    async def ready() -> dict[str, str]:
        return {"status": "ok"}


def row_of(job: JobIn) -> BareJob:
    """The row of a request."""
    return BareJob(
        id=new_id("job"),
        tenant_id="ten_bench",
        status="queued",
        instructions=[job.instruction],
        output={"format": "mp4", "quality": "high"},
        details=job.metadata,
        external_id=job.external_id,
        created_at=datetime.now(UTC),
    )


def database_url() -> URL:
    """Where the rows go."""
    return make_url(os.environ[URL_VARIABLE]).set(drivername="postgresql+psycopg")
