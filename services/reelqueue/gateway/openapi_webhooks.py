"""The routes of webhook endpoints and secrets in the OpenAPI document."""

from __future__ import annotations

from typing import Final

from reelqueue.gateway.openapi import LOCATION, PAGE, answer, json_body, operation

_BODY_PROBLEMS: Final = (400, 408, 413, 415, 422)

CREATE_ENDPOINT: Final = operation(
    "Add a webhook endpoint",
    {201: answer("The only answer with the secret.", "NewWebhookEndpoint", headers=LOCATION)},
    problems=(*_BODY_PROBLEMS, 409),
    body=json_body("EndpointRequest"),
    tag="webhooks",
)
LIST_ENDPOINTS: Final = operation(
    "List webhook endpoints",
    {200: answer("Newest first.", "WebhookEndpointList")},
    problems=(400, 422),
    parameters=PAGE,
    tag="webhooks",
)
GET_ENDPOINT: Final = operation(
    "Read a webhook endpoint", {200: answer("The endpoint.", "WebhookEndpoint")}, problems=(404, 422), tag="webhooks"
)
CHANGE_ENDPOINT: Final = operation(
    "Change a webhook endpoint, or turn it on or off",
    {200: answer("Changed; messages that wait go by it from their next try.", "WebhookEndpoint")},
    problems=(*_BODY_PROBLEMS, 404),
    body=json_body("EndpointPatch"),
    tag="webhooks",
)
DELETE_ENDPOINT: Final = operation("Delete a webhook endpoint", {204: answer("Gone.")}, problems=(404,), tag="webhooks")
ROTATE_ENDPOINT_SECRET: Final = operation(
    "Replace a webhook endpoint's secret",
    {
        200: answer(
            "The only answer with the new secret. Both sign for a day, or for as long as you say.", "NewWebhookEndpoint"
        )
    },
    problems=(*_BODY_PROBLEMS, 404, 409),
    body=json_body("RotateRequest"),
    body_required=False,
    tag="webhooks",
)
GET_SECRET: Final = operation(
    "Read of the secret that signs for jobs' own webhook URLs",
    {200: answer("Without its text.", "WebhookSecret")},
    problems=(422,),
    tag="webhooks",
)
ROTATE_SECRET: Final = operation(
    "Replace the secret that signs for jobs' own webhook URLs",
    {
        200: answer(
            "The only answer with the new secret. Both sign for a day, or for as long as you say.", "NewWebhookSecret"
        )
    },
    problems=(*_BODY_PROBLEMS, 409),
    body=json_body("RotateRequest"),
    body_required=False,
    tag="webhooks",
)
SEND_SAMPLE: Final = operation(
    "Send a webhook endpoint a sample",
    {202: answer("On its way, whatever the endpoint subscribes to.", "WebhookSample", headers=LOCATION)},
    problems=(*_BODY_PROBLEMS, 404, 409),
    body=json_body("SampleRequest"),
    tag="webhooks",
)
