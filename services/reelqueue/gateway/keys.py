"""Making a key, for a tenant that asks for its own and for an operator."""

from __future__ import annotations

from functools import partial

from starlette.responses import Response

from reelqueue.domain.api_keys import ApiKey
from reelqueue.gateway.actors import actor_of
from reelqueue.gateway.bodies import JSON, media_type_of, read_json
from reelqueue.gateway.context import Call
from reelqueue.gateway.errors import RequestInvalid, Violation
from reelqueue.gateway.responses import json_response
from reelqueue.gateway.schemas.strict import checked
from reelqueue.gateway.schemas.tenancy_requests import ApiKeyRequest
from reelqueue.gateway.tenancy_documents import api_key_document


async def new_key_request(call: Call) -> ApiKeyRequest:
    """The body. Raises `RequestInvalid`, also for a key that would have expired already."""
    media_type_of(call, JSON)
    wanted = checked(ApiKeyRequest, await read_json(call))
    if wanted.expires_at is not None and wanted.expires_at <= call.gateway.services.clock.now():
        raise RequestInvalid(Violation(code="field_invalid", message="This is past already.", pointer="/expires_at"))
    return wanted


async def made_key(call: Call, tenant_id: str, wanted: ApiKeyRequest, *, under: str = "/v1/api-keys") -> Response:
    """Make it, and answer with its text, once. Raises `NotFound` for a tenant that is not there."""
    create = partial(
        call.gateway.services.api_keys.create,
        tenant_id,
        name=wanted.name,
        scopes=wanted.scopes,
        expires_at=wanted.expires_at,
        by=actor_of(call),
    )
    made = await call.gateway.threads.quick(create)
    row = ApiKey(
        id=made.id,
        tenant_id=tenant_id,
        name=made.name,
        mac=b"",
        scopes=made.scopes,
        created_at=made.created_at,
        expires_at=made.expires_at,
        revoked_at=None,
        last_used_at=None,
    )
    document = api_key_document(row, current=call.principal.key_id, under=under)
    return json_response({**document, "key": made.text}, status=201, headers={"location": f"{under}/{made.id}"})
