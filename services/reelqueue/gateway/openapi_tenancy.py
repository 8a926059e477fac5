"""The routes of keys, tenants and the audit log in the OpenAPI document."""

from __future__ import annotations

from typing import Final

from reelqueue.gateway.openapi import LOCATION, PAGE, answer, in_query, json_body, operation

_BODY_PROBLEMS: Final = (400, 408, 413, 415, 422)

CREATE_KEY: Final = operation(
    "Make an API key",
    {201: answer("The only answer with its text.", "NewApiKey", headers=LOCATION)},
    problems=_BODY_PROBLEMS,
    body=json_body("ApiKeyRequest"),
    tag="keys",
)
LIST_KEYS: Final = operation(
    "List API keys", {200: answer("Newest first.", "ApiKeyList")}, problems=(400, 422), parameters=PAGE, tag="keys"
)
GET_KEY: Final = operation("Read an API key", {200: answer("The key.", "ApiKey")}, problems=(404, 422), tag="keys")
REVOKE_KEY: Final = operation(
    "Revoke an API key, perhaps the one that asks",
    {200: answer("Every gateway refuses it within five seconds.", "ApiKey")},
    problems=(404,),
    tag="keys",
)

CREATE_TENANT: Final = operation(
    "Make a tenant",
    {201: answer("The only answer with its webhook secret.", "NewTenant", headers=LOCATION)},
    problems=(*_BODY_PROBLEMS, 409),
    body=json_body("TenantRequest"),
    tag="operator",
)
LIST_TENANTS: Final = operation(
    "List tenants",
    {200: answer("Newest first.", "TenantList")},
    problems=(400, 422),
    parameters=PAGE,
    tag="operator",
)
GET_TENANT: Final = operation(
    "Read a tenant", {200: answer("As it is now.", "Tenant")}, problems=(404, 422), tag="operator"
)
CHANGE_TENANT: Final = operation(
    "Change a tenant",
    {200: answer("Changed; jobs that wait go by it.", "Tenant")},
    problems=(*_BODY_PROBLEMS, 404, 409),
    body=json_body("TenantPatch"),
    tag="operator",
)
GET_QUOTAS: Final = operation(
    "Read a tenant's quotas and budgets",
    {200: answer("With what is used of them.", "Limits")},
    problems=(404, 422),
    tag="operator",
)
CHANGE_QUOTAS: Final = operation(
    "Change a tenant's quotas and budgets",
    {200: answer("They hold from the next job on.", "Limits")},
    problems=(*_BODY_PROBLEMS, 404),
    body=json_body("QuotasPatch"),
    tag="operator",
)
SUSPEND_TENANT: Final = operation(
    "Suspend a tenant",
    {200: answer("Within five seconds no key of it is let in.", "Tenant")},
    problems=(404, 409),
    tag="operator",
)
RESUME_TENANT: Final = operation(
    "Resume a tenant", {200: answer("As before it was suspended.", "Tenant")}, problems=(404, 409), tag="operator"
)
ERASE_TENANT: Final = operation(
    "Erase a tenant, for good",
    {202: answer("Begun. Nothing brings it back.", "Erasure", headers=LOCATION)},
    problems=(*_BODY_PROBLEMS, 404),
    body=json_body("EraseRequest"),
    tag="operator",
)
GET_ERASURE: Final = operation(
    "Read how far an erasure is, or its certificate",
    {200: answer("As far as it is.", "Erasure")},
    problems=(404, 422),
    tag="operator",
)
LIST_TENANT_KEYS: Final = {**LIST_KEYS, "summary": "List a tenant's API keys", "tags": ["operator"]}
CREATE_TENANT_KEY: Final = operation(
    "Make an API key for a tenant",
    {201: answer("The only answer with its text.", "NewApiKey", headers=LOCATION)},
    problems=(*_BODY_PROBLEMS, 404),
    body=json_body("ApiKeyRequest"),
    tag="operator",
)
REVOKE_TENANT_KEY: Final = {**REVOKE_KEY, "summary": "Revoke a tenant's API key", "tags": ["operator"]}
LIST_AUDIT: Final = operation(
    "Read the audit log",
    {200: answer("Newest first.", "AuditList")},
    problems=(400, 422),
    parameters=(*PAGE, in_query("tenant", "Entries about this tenant.")),
    tag="operator",
)
