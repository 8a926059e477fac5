"""The route of the upstream's state in the OpenAPI document."""

from __future__ import annotations

from typing import Final

from reelqueue.gateway.openapi import answer, operation

GET_UPSTREAM: Final = operation(
    "Whether NemoVideo is up", {200: answer("Each of its phases.", "Upstream")}, problems=(422,), tag="operations"
)
