"""Who acts, as the audit log calls them."""

from __future__ import annotations

from reelqueue.domain.audit import Actor
from reelqueue.gateway.context import Call
from reelqueue.gateway.problems import request_id_of


def actor_of(call: Call) -> Actor:
    """The key of the request, or `operator`."""
    return Actor(name=call.principal.key_id, request_id=request_id_of(call))
