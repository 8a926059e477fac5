"""Why a job waits, and quotes, in the OpenAPI document."""

from __future__ import annotations

from typing import Final

from reelqueue.gateway.openapi import SUBMIT_JOB, answer, operation

WHY: Final = operation(
    "Say why a job waits",
    {200: answer("What stands in its way, the figures behind it, and when it will be done.", "Why")},
    problems=(404, 422),
)
QUOTE: Final = operation(
    "Say what a job would come to, without accepting it",
    {200: answer("The quote.", "Quote")},
    problems=(400, 404, 408, 409, 413, 415, 422, 507),
    body=SUBMIT_JOB["openapi_extra"]["requestBody"]["content"],
)
