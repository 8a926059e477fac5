"""The application, built from its services."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from reelqueue.errors import ReelqueueError
from reelqueue.files.keys import asset_key
from reelqueue.gateway.accepting import Accepting
from reelqueue.gateway.auth import Authenticator
from reelqueue.gateway.chores import chores
from reelqueue.gateway.context import Gateway
from reelqueue.gateway.cursors import Cursors
from reelqueue.gateway.edge import Edge
from reelqueue.gateway.guests import Guests
from reelqueue.gateway.hub import CHANNELS, Hub
from reelqueue.gateway.ports import GatewayServices
from reelqueue.gateway.problems import answer_disconnect, answer_error, answer_http_exception
from reelqueue.gateway.rates import KeyRates
from reelqueue.gateway.routes import (
    admin,
    answers,
    api_keys,
    assets,
    batches,
    docs,
    events,
    feed,
    health,
    jobs,
    messages,
    projects,
    quote,
    results,
    upstream_tokens,
    usage,
    webhook_endpoints,
    why,
)
from reelqueue.gateway.routes import credits as credit_routes
from reelqueue.gateway.routes import upstream as upstream_routes
from reelqueue.gateway.schemas.job_request import MOST_INPUTS
from reelqueue.gateway.threads import Threads
from reelqueue.jobs.batches import Batching
from reelqueue.jobs.keep_assets import AssetKeeping
from reelqueue.jobs.project_exports import ProjectExports
from reelqueue.jobs.project_messages import ProjectMessages
from reelqueue.jobs.quote import JobQuote
from reelqueue.jobs.retry import JobRetry
from reelqueue.jobs.shelf import Shelf
from reelqueue.jobs.submit import JobSubmission
from reelqueue.kit.local_gcra import LocalGcra
from reelqueue.version import VERSION

_JOBS: Final = (jobs, quote, why, answers, events, results)
_WEBHOOKS: Final = (webhook_endpoints, messages)
_TENANCY: Final = (api_keys, admin)
_UPSTREAM: Final = (upstream_tokens, credit_routes, upstream_routes)
API: Final = (*_JOBS, projects, batches, assets, *_WEBHOOKS, feed, *_UPSTREAM, usage, *_TENANCY, health)
"""The modules of the routes that the OpenAPI document names, in its order."""
_ABOUT: Final = "Post pictures or clips and an instruction; hear by signed webhook when the video is ready."


def create_app(services: GatewayServices) -> FastAPI:
    """The HTTP API over these services. Starting it starts its listener; nothing happens before."""
    app = FastAPI(
        title="Reelqueue",
        version=VERSION,
        description=_ABOUT,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.gateway = build_gateway(services)
    app.add_middleware(Edge, clock=services.clock, metrics=services.metrics)
    app.add_exception_handler(ReelqueueError, answer_error)
    app.add_exception_handler(HTTPException, answer_http_exception)
    app.add_exception_handler(ClientDisconnect, answer_disconnect)
    for module in (*API, docs) if services.settings.gateway.docs else API:
        # Not `include_router`, which wraps each route in another that matches again on every request.
        app.router.routes.extend(module.router.routes)
    return app


def build_gateway(services: GatewayServices) -> Gateway:
    """The parts, put together."""
    threads = Threads(quick=services.settings.gateway.threads)
    shelf = Shelf(services.blobs, asset_key, services.assets.is_named)
    submission = JobSubmission(
        intake=services.intake,
        assets=services.assets,
        shelf=shelf,
        fetcher=services.input_fetcher,
        egress=services.egress,
        projects=services.project_records,
        clock=services.clock,
        most_inputs=min(MOST_INPUTS, services.file_limits.max_files),
    )
    exports = ProjectExports(
        intake=services.intake,
        projects=services.project_records,
        versions=services.versions,
        egress=services.egress,
    )
    return Gateway(
        services=services,
        threads=threads,
        authenticator=Authenticator(services.api_keys, pepper=services.pepper, clock=services.clock, threads=threads),
        cursors=Cursors(services.cursor_key),
        hub=Hub(lambda: services.notices(*CHANNELS), services.watched.versions),
        guests=Guests(services.api_keys, clock=services.clock, threads=threads),
        submission=submission,
        project_exports=exports,
        project_messages=ProjectMessages(
            submission=submission,
            exports=exports,
            intake=services.intake,
            projects=services.project_records,
            jobs=services.jobs,
            answers=services.answers,
        ),
        project_views=services.project_views,
        batching=Batching(
            submission=submission,
            intake=services.intake,
            batches=services.batches,
            cancels=services.jobs,
            shelf=shelf,
        ),
        quoting=JobQuote(submission, services.history, services.quotas, services.clock),
        retrying=JobRetry(intake=services.intake, assets=services.assets, past=services.past_jobs),
        accepting=Accepting(services.intake, threads),
        asset_keeping=AssetKeeping(assets=services.assets, shelf=shelf, fetcher=services.input_fetcher),
        key_rates=KeyRates(services.key_gate, LocalGcra(services.clock), clock=services.clock, threads=threads),
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    gateway: Gateway = app.state.gateway
    gateway.hub.start()
    # It logs what is wrong. Nothing waits for it to be put right: `/readyz` says no until then.
    await gateway.threads.slow(gateway.services.health.role)
    try:
        async with chores(gateway):
            yield {"hub": gateway.hub}
    finally:
        await gateway.hub.stop()
        await asyncio.to_thread(gateway.threads.stop)
