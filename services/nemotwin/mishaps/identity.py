"""Tokens and sessions that end while they are in use (`contract §15.2`, auth and session)."""

from dataclasses import dataclass
from typing import Literal

from starlette.responses import JSONResponse

from nemotwin.endpoints import session_in, session_in_body
from nemotwin.exchange import Exchange


@dataclass(frozen=True, slots=True)
class TokenEnds:
    """End the token's life `when` the request comes, or when it has been processed.

    It `expires` (code 1001, and the window of its client id ends) or is `revoked` (401). It stays so.
    """

    how: Literal["expires", "revoked"] = "expires"
    when: Literal["before", "after"] = "before"

    async def strike(self, exchange: Exchange) -> None:
        """Process, before or after the end."""
        if self.when == "after":
            await exchange.proceed()
        if token := exchange.token():
            if self.how == "expires":
                exchange.accounts.expire(token)
            else:
                exchange.accounts.revoke(token)
        if self.when == "before":
            await exchange.proceed()


@dataclass(frozen=True, slots=True)
class SessionLost:
    """Forget the session that the request names, `when` it comes or when it has been processed. It stays lost."""

    when: Literal["before", "after"] = "before"

    async def strike(self, exchange: Exchange) -> None:
        """Process, before or after the loss."""
        named = session_in(exchange.scope["path"]) or session_in_body(await exchange.body())
        if self.when == "after":
            await exchange.proceed()
        if session := exchange.sessions.by_id.get(named or ""):
            session.lost = True
        if self.when == "before":
            await exchange.proceed()


@dataclass(frozen=True, slots=True)
class SessionDetail:
    """Answer as ADK itself does where it knows no such session: 404 with a `detail` that names it."""

    async def strike(self, exchange: Exchange) -> None:
        """Answer; the request is not processed."""
        named = session_in_body(await exchange.body()) or ""
        await exchange.answer(JSONResponse({"detail": f"Session not found: {named}"}, 404))
