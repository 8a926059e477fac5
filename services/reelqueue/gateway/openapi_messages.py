"""The routes of webhook messages in the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final, get_args

from reelqueue.domain.outgoing import MessageState
from reelqueue.domain.subscriptions import PATTERNS
from reelqueue.gateway.openapi import IDEMPOTENCY_KEY, PAGE, answer, in_answer, in_query, json_body, operation

_TAG: Final = "webhooks"


def _any_of(words: Any) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string", "enum": sorted(words)}}


LIST_MESSAGES: Final = operation(
    "List what an endpoint was sent, or is to be sent",
    {200: answer("Newest first.", "WebhookMessageList")},
    problems=(400, 404, 422),
    parameters=(
        *PAGE,
        in_query("state", "Any of these; repeated, or separated by commas.", _any_of(get_args(MessageState))),
        in_query("type", "Events of these types or families.", _any_of(PATTERNS)),
    ),
    tag=_TAG,
)
GET_MESSAGE: Final = operation(
    "Read a webhook message", {200: answer("As it is now.", "WebhookMessage")}, problems=(404, 422), tag=_TAG
)
LIST_ATTEMPTS: Final = operation(
    "List the tries of a webhook message",
    {200: answer("The first one first.", "WebhookAttemptList")},
    problems=(400, 404, 422),
    parameters=PAGE,
    tag=_TAG,
)
RESEND: Final = operation(
    "Send a webhook message again, now",
    {202: answer("On its way; its schedule of tries begins anew.", "WebhookMessage")},
    problems=(404, 409, 422),
    tag=_TAG,
)
REPLAY: Final = operation(
    "Send an endpoint again what happened in a span of time",
    {
        202: answer(
            "On their way.",
            "WebhookReplay",
            headers={"Idempotent-Replayed": in_answer("`true` if a request with this key had begun the replay.")},
        ),
        200: answer("Counted only, as `dry_run` asks.", "WebhookReplay"),
    },
    problems=(400, 404, 408, 409, 413, 415, 422),
    parameters=(IDEMPOTENCY_KEY,),
    body=json_body("ReplayRequest"),
    tag=_TAG,
)
