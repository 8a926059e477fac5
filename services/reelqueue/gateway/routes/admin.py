"""`/v1/admin`: tenants, their keys, their erasure, and the audit log. For the operator only."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from fastapi import APIRouter
from starlette.responses import Response

from reelqueue.domain.api_keys import ApiKey
from reelqueue.domain.erasures import Erasure
from reelqueue.domain.quotas import Limits
from reelqueue.domain.tenants import Tenant, TenantChange
from reelqueue.errors import NotFound
from reelqueue.gateway import openapi_tenancy as openapi
from reelqueue.gateway.actors import actor_of
from reelqueue.gateway.bodies import JSON, media_type_of, read_json
from reelqueue.gateway.context import Call
from reelqueue.gateway.errors import RequestInvalid, Violation
from reelqueue.gateway.keys import made_key, new_key_request
from reelqueue.gateway.operator_routes import OperatorRoute
from reelqueue.gateway.paging import page
from reelqueue.gateway.queries import Query
from reelqueue.gateway.responses import json_response
from reelqueue.gateway.schemas.strict import checked
from reelqueue.gateway.schemas.tenancy_requests import EraseRequest, QuotasPatch, TenantPatch, TenantRequest
from reelqueue.gateway.tenancy_documents import api_key_document, audit_document, erasure_document, tenant_document
from reelqueue.gateway.usage_documents import limits_document
from reelqueue.kit.acting import acting_for
from reelqueue.kit.ids import is_id

router = APIRouter(route_class=OperatorRoute)
T = TypeVar("T")


@router.post("/v1/admin/tenants", **openapi.CREATE_TENANT)
async def create_tenant(call: Call) -> Response:
    """The only answer that holds the webhook secret."""
    media_type_of(call, JSON)
    wanted = checked(TenantRequest, await read_json(call))

    def create() -> tuple[Tenant, str]:
        rows = call.gateway.services.tenants
        made = rows.create(wanted.name, weight=wanted.weight, max_running=wanted.max_running, by=actor_of(call))
        return made, rows.webhook_secret(made.id)

    made, secret = await call.gateway.threads.quick(create)
    headers = {"location": f"/v1/admin/tenants/{made.id}"}
    return json_response({**tenant_document(made), "webhook_secret": secret}, status=201, headers=headers)


@router.get("/v1/admin/tenants", **openapi.LIST_TENANTS)
async def list_tenants(call: Call) -> Response:
    """Newest first. Erased ones are not among them."""
    query = Query(call)
    cursor, limit = query.one("cursor"), query.limit()
    query.done()
    rows = call.gateway.services.tenants
    read = partial(_read_page, rows.page)
    return await page(call, read, tenant_document, of="tenants", cursor=cursor, limit=limit, filters={})


@router.get("/v1/admin/tenants/{tenant_id}", **openapi.GET_TENANT)
async def get_tenant(call: Call, tenant_id: str) -> Response:
    """As it is now."""
    Query(call).done()
    return json_response(tenant_document(await _on(call, tenant_id, call.gateway.services.tenants.find)))


@router.patch("/v1/admin/tenants/{tenant_id}", **openapi.CHANGE_TENANT)
async def change_tenant(call: Call, tenant_id: str) -> Response:
    """Name, weight, cap and the pause switch."""
    media_type_of(call, JSON)
    wanted = checked(TenantPatch, await read_json(call))
    change = TenantChange(**wanted.model_dump())
    changing = partial(call.gateway.services.tenants.change, change=change, by=actor_of(call))
    return json_response(tenant_document(await _on(call, tenant_id, changing)))


@router.get("/v1/admin/tenants/{tenant_id}/quotas", **openapi.GET_QUOTAS)
async def get_quotas(call: Call, tenant_id: str) -> Response:
    """With what is used of them, as the tenant itself sees them."""
    Query(call).done()

    def read(named: str) -> Limits:
        with acting_for(named):
            return call.gateway.services.quotas.limits(named)

    return json_response(limits_document(await _on(call, tenant_id, read), None))


@router.patch("/v1/admin/tenants/{tenant_id}/quotas", **openapi.CHANGE_QUOTAS)
async def change_quotas(call: Call, tenant_id: str) -> Response:
    """What is left out stays; null lifts a limit."""
    media_type_of(call, JSON)
    changes = checked(QuotasPatch, await read_json(call)).model_dump(exclude_unset=True)

    def change(named: str) -> Limits:
        with acting_for(named):
            call.gateway.services.quotas.set(named, changes, by=actor_of(call))
            return call.gateway.services.quotas.limits(named)

    return json_response(limits_document(await _on(call, tenant_id, change), None))


@router.post("/v1/admin/tenants/{tenant_id}/suspend", **openapi.SUSPEND_TENANT)
async def suspend_tenant(call: Call, tenant_id: str) -> Response:
    """What was paid for runs on to its end, and its webhooks are sent."""
    suspending = partial(call.gateway.services.tenants.suspend, by=actor_of(call))
    return json_response(tenant_document(await _on(call, tenant_id, suspending)))


@router.post("/v1/admin/tenants/{tenant_id}/resume", **openapi.RESUME_TENANT)
async def resume_tenant(call: Call, tenant_id: str) -> Response:
    """Its jobs go on where they stopped."""
    resuming = partial(call.gateway.services.tenants.resume, by=actor_of(call))
    return json_response(tenant_document(await _on(call, tenant_id, resuming)))


@router.post("/v1/admin/tenants/{tenant_id}/erase", **openapi.ERASE_TENANT)
async def erase_tenant(call: Call, tenant_id: str) -> Response:
    """Begins it. Dispatchers and gateways carry it out."""
    media_type_of(call, JSON)
    wanted = checked(EraseRequest, await read_json(call))

    def begin(named: str) -> Erasure:
        services = call.gateway.services
        if services.tenants.find(named).name != wanted.name:
            raise RequestInvalid(Violation(code="field_invalid", message="This is another name.", pointer="/name"))
        return services.erasures.begin(named, by=actor_of(call))

    begun = await _on(call, tenant_id, begin)
    headers = {"location": f"/v1/admin/tenants/{tenant_id}/erasure"}
    return json_response(erasure_document(begun), status=202, headers=headers)


@router.get("/v1/admin/tenants/{tenant_id}/erasure", **openapi.GET_ERASURE)
async def get_erasure(call: Call, tenant_id: str) -> Response:
    """Stays when the tenant is gone."""
    Query(call).done()
    return json_response(erasure_document(await _on(call, tenant_id, call.gateway.services.erasures.find)))


@router.post("/v1/admin/tenants/{tenant_id}/api-keys", **openapi.CREATE_TENANT_KEY)
async def create_tenant_key(call: Call, tenant_id: str) -> Response:
    """A tenant's first key, or one in place of those it lost."""
    wanted = await new_key_request(call)
    await _on(call, tenant_id, call.gateway.services.tenants.find)
    return await made_key(call, tenant_id, wanted, under=f"/v1/admin/tenants/{tenant_id}/api-keys")


@router.get("/v1/admin/tenants/{tenant_id}/api-keys", **openapi.LIST_TENANT_KEYS)
async def list_tenant_keys(call: Call, tenant_id: str) -> Response:
    """Newest first."""
    query = Query(call)
    cursor, limit = query.one("cursor"), query.limit()
    query.done()
    await _on(call, tenant_id, call.gateway.services.tenants.find)
    read = partial(_read_page, partial(call.gateway.services.api_keys.list, tenant_id))
    show = partial(api_key_document, current="", under=f"/v1/admin/tenants/{tenant_id}/api-keys")
    filters = {"tenant": tenant_id}
    return await page(call, read, show, of="tenant-keys", cursor=cursor, limit=limit, filters=filters)


@router.delete("/v1/admin/tenants/{tenant_id}/api-keys/{key_id}", **openapi.REVOKE_TENANT_KEY)
async def revoke_tenant_key(call: Call, tenant_id: str, key_id: str) -> Response:
    """Every gateway refuses it within five seconds."""

    def revoke(named: str) -> ApiKey:
        rows = call.gateway.services.api_keys
        if not is_id(key_id, "api_key"):
            raise NotFound
        rows.revoke(named, key_id, by=actor_of(call))
        return rows.find_of(named, key_id)

    revoked = await _on(call, tenant_id, revoke)
    under = f"/v1/admin/tenants/{tenant_id}/api-keys"
    return json_response(api_key_document(revoked, current="", under=under))


@router.get("/v1/admin/audit-log", **openapi.LIST_AUDIT)
async def list_audit(call: Call) -> Response:
    """Newest first; of one tenant, or all."""
    query = Query(call)
    cursor, limit, tenant_id = query.one("cursor"), query.limit(), query.label("tenant")
    query.done()
    rows = call.gateway.services.audit_log
    return await page(
        call,
        lambda before, n: rows.list(tenant_id=tenant_id, before=None if before is None else int(before), limit=n),
        audit_document,
        of="audit-log",
        cursor=cursor,
        limit=limit,
        filters={"tenant": tenant_id or ""},
    )


async def _on(call: Call, tenant_id: str, act: Callable[[str], T]) -> T:
    """Do it to the tenant of that id. Names are for people: here they are not taken in an id's place."""
    if not is_id(tenant_id, "tenant"):
        raise NotFound
    return await call.gateway.threads.quick(partial(act, tenant_id))


def _read_page(read: Callable[..., Any], before: str | None, limit: int) -> Any:
    return read(before=before, limit=limit)
