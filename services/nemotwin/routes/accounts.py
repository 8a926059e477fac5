"""Tokens and credits: `contract §4.1`, `§4.5`, `§4.11`."""

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from nemotwin.accounts import WEEK, iso
from nemotwin.exchange import exchange_of
from nemotwin.ledger import TokenEntry, fingerprint
from nemotwin.requests import body_of, caller_of, ok, world_of


async def anonymous_token(request: Request) -> Response:
    """`POST /api/auth/anonymous-token`."""
    world = world_of(request)
    client_id = request.headers.get("x-client-id")
    address = request.client.host if request.client else ""
    token = world.accounts.issue_anonymous(client_id, address)
    account = world.accounts.account_of(token)
    marks = world.ledger.marks(exchange_of(request.scope).entry)
    world.ledger.book.tokens.append(
        TokenEntry(
            **(marks | {"token": fingerprint(token.value)}),
            user_id=token.user_id,
            client_id=client_id,
            plan=account.plan,
        )
    )
    data = {"token": token.value, "user_id": token.user_id}
    if token.expires_at is not None:
        data["expires_at"] = iso(token.expires_at)
    return ok({**data, "credits": account.available})


async def balance(request: Request) -> Response:
    """`GET /api/credits/balance/simple`."""
    account = caller_of(request, "read").account
    total = account.available + account.frozen
    return ok({"available": account.available, "frozen": account.frozen, "total": total})


class ClaimBody(BaseModel):
    """What a claim token opens."""

    task_id: str
    session_id: str


async def claim_token(request: Request) -> Response:
    """`POST /api/auth/claim-token`."""
    caller = caller_of(request, "read")
    body = await body_of(request, ClaimBody)
    caller.world.sessions.get(body.session_id, caller.token.user_id)
    return ok({"claim_token": caller.world.accounts.issue_claim(), "expires_in": int(WEEK)})


ROUTES = [
    Route("/api/auth/anonymous-token", anonymous_token, methods=["POST"]),
    Route("/api/auth/claim-token", claim_token, methods=["POST"]),
    Route("/api/credits/balance/simple", balance, methods=["GET"]),
]
