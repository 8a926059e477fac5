"""`/v1/limits` and `/v1/usage`: what bounds a tenant, and what it has used."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Final, Literal, NoReturn

from fastapi import APIRouter
from starlette.responses import Response

from reelqueue.domain.usage import LONGEST_DAYS, By, UsageQuery
from reelqueue.gateway import openapi_usage as openapi
from reelqueue.gateway.context import ApiRoute, Call, scoped
from reelqueue.gateway.errors import RequestInvalid, Violation
from reelqueue.gateway.queries import Query
from reelqueue.gateway.rates import rates_of
from reelqueue.gateway.responses import json_response
from reelqueue.gateway.usage_documents import limits_document, usage_document

router = APIRouter(route_class=ApiRoute)
_USUAL: Final = timedelta(days=30)
_WORDS: Final[dict[str, Literal["day", "project", "customer"]]] = {
    "day": "day",
    "project": "project",
    "customer": "customer",
}
_METADATA: Final = "metadata."
_LONGEST_KEY: Final = 64


@router.get("/v1/limits", **openapi.GET_LIMITS)
@scoped("usage")
async def get_limits(call: Call) -> Response:
    """As of now. Reading it counts as a request of the key's."""
    Query(call).done()
    read = partial(call.gateway.services.quotas.limits, call.tenant_id)
    limits = await call.gateway.threads.slow(read)
    return json_response(limits_document(limits, next(iter(rates_of(call.scope["state"])), None)))


@router.get("/v1/usage", **openapi.GET_USAGE)
@scoped("usage")
async def get_usage(call: Call) -> Response:
    """Of at most 92 days."""
    query = Query(call)
    since, until = query.moment("from"), query.moment("to")
    by, key = _grouping(query.one("group_by") or "day")
    query.done()
    until = until or call.gateway.services.clock.now()
    since = since or until - _USUAL
    if not timedelta(0) < until - since <= timedelta(days=LONGEST_DAYS):
        _refuse("to", f"This is after `from`, by at most {LONGEST_DAYS} days.")
    asked = UsageQuery(since=since, until=until, by=by, key=key)
    read = partial(call.gateway.services.usage.used, call.tenant_id, asked)
    return json_response(usage_document(await call.gateway.threads.slow(read)))


def _grouping(word: str) -> tuple[By, str | None]:
    if word in _WORDS:
        return _WORDS[word], None
    key = word.removeprefix(_METADATA)
    if not word.startswith(_METADATA) or not 1 <= len(key) <= _LONGEST_KEY:
        _refuse("group_by", "This takes `day`, `project`, `customer` or `metadata.KEY`.")
    return "metadata", key


def _refuse(name: str, rule: str) -> NoReturn:
    raise RequestInvalid(Violation(code="field_invalid", message=rule, parameter=name))
