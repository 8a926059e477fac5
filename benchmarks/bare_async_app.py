"""What most people write: the route of `bare_app` as `async def` with an `AsyncSession`. Needs greenlet to import."""

# No `from __future__ import annotations` here: FastAPI could not resolve the dependency, which is a local name.

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from benchmarks.bare_app import PATH, BareJob, JobIn, JobOut, add_health, database_url, row_of


def create_app() -> FastAPI:
    """The route, on the event loop."""
    app = FastAPI()
    sessions = async_sessionmaker(create_async_engine(database_url()), expire_on_commit=False)

    async def session() -> AsyncIterator[AsyncSession]:
        async with sessions() as opened:
            yield opened

    @app.post(PATH, status_code=202, response_model=JobOut)
    async def submit(job: JobIn, session: Annotated[AsyncSession, Depends(session)]) -> BareJob:
        row = row_of(job)
        session.add(row)
        await session.commit()
        return row

    add_health(app)
    return app
