"""Which upstream token a job works with, and what a refusal means for everybody who uses the same one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from reelqueue.domain.links import credits_link
from reelqueue.domain.tokens import BLOCKED_AGAIN_S, TokenHealth, TokenKind, TokenScope, UpstreamToken
from reelqueue.domain.upstream import Credential
from reelqueue.errors import (
    CreditsExhausted,
    NotSent,
    NoUpstreamToken,
    RateLimited,
    TokenBlocked,
    TokenRejected,
    UpstreamError,
    UpstreamForbidden,
    UpstreamProtocolError,
    UpstreamThrottled,
    UpstreamUnavailable,
)
from reelqueue.jobs.ports import TokenStore, Upstream
from reelqueue.kit.clock import Clock
from reelqueue.kit.logs import get_logger

T = TypeVar("T")

log = get_logger(__name__)

MAY_PASS = (NotSent, RateLimited, UpstreamUnavailable, UpstreamProtocolError)
"""What says nothing of the token."""
PASSING = (TokenHealth.OK, TokenHealth.COOLING)
"""What a token that was reserved may be: a cooling passes, and is waited for by whoever calls."""
KNOWN_S = 30.0
"""How long a token's row is not read again: a job makes a dozen calls with it, most of them within a minute."""


@dataclass(frozen=True, slots=True)
class Pass:
    """A token in use: its row as it was when the credential was read, and the credential."""

    token: UpstreamToken
    credential: Credential


class TokenDesk:
    """Hands out tokens and hears what became of them."""

    def __init__(
        self,
        tokens: TokenStore,
        upstream: Upstream,
        *,
        anonymous_client_id: str | None,
        clock: Clock,
        speed: float = 1.0,
        web_url: str = "https://nemovideo.com",
        pause: Callable[[str, float], None] = lambda _token_id, _seconds: None,
    ) -> None:
        """`anonymous_client_id`: the stable client id to fetch anonymous tokens with; `None` forbids it.

        `speed` shortens a cooling whose length the upstream left to us. `web_url` is where people top up. `pause` tells
        every process at once for how long a token cools; the row tells them later.
        """
        self._tokens = tokens
        self._upstream = upstream
        self._client_id = anonymous_client_id
        self._clock = clock
        self._web_url = web_url
        self._speed = speed
        self._pause = pause
        self._known: dict[str, tuple[float, Pass]] = {}

    def for_new_project(self, tenant_id: str, reserved: str | None = None) -> UpstreamToken:
        """A token to begin a project with: the tenant's own, else of the pool, else an anonymous one.

        `reserved` is the one that the job was admitted onto; it is taken unless it was set aside since.

        Raises `RateLimited` while every token only cools, `TokenBlocked` and `CreditsExhausted` where one is only
        blocked, or lacks only credits (a fresh one would be a way around that), `NoUpstreamToken`, and what the
        anonymous-token call raises.
        Anonymous tokens are fetched for a single tenant only.
        """
        if reserved is not None and _serves(kept := self.for_token(reserved).token):
            return kept
        token = self._tokens.pick(tenant_id)
        if token is not None:
            return token
        cooled_in_s = self._tokens.cooled_in(tenant_id)
        if cooled_in_s is not None:
            raise RateLimited(retry_after=cooled_in_s)
        if self._tokens.any_set_aside(tenant_id):
            raise TokenBlocked(retry_after=BLOCKED_AGAIN_S)
        if (spent := self._tokens.spent(tenant_id)) is not None:
            raise CreditsExhausted(detail={"link": credits_link(self._web_url, spent.user_id)})
        if self._client_id is None:
            raise NoUpstreamToken
        if not self._tokens.single_tenant():
            raise NoUpstreamToken("Anonymous tokens are for a trial with one tenant, and there are more.")
        return self._first_anonymous(tenant_id, self._client_id)

    def for_token(self, token_id: str) -> Pass:
        """The token that a project is bound to, whatever its health: only the upstream decides whether it works.

        Its row is read again after `KNOWN_S`, and after any refusal.
        """
        until, known = self._known.get(token_id, (0.0, None))
        return known if known is not None and self._clock.monotonic() < until else self._read(token_id)

    def _read(self, token_id: str) -> Pass:
        token, credential = self._tokens.find(token_id), self._tokens.credential(token_id)
        pace = replace(credential.pace, read_at=self._clock.monotonic())
        found = Pass(token, replace(credential, pace=pace))
        self._known[token_id] = (self._clock.monotonic() + KNOWN_S, found)
        return found

    def not_blocked(self, token_id: str) -> None:
        """Raises `TokenBlocked` for a token on which nothing new may begin. Its row is read if it was when last seen.

        A word in advance, half a minute old at most. What holds a turn back is `TurnStore.begin_sending`.
        """
        if self.for_token(token_id).token.blocked_at is not None and self._read(token_id).token.blocked_at is not None:
            raise TokenBlocked(retry_after=BLOCKED_AGAIN_S)

    def using(self, token_id: str, action: Callable[[Credential], T], *, proves: TokenScope | None = None) -> T:
        """Run a call that may be repeated; repeat it once if its token was dead and could be refreshed.

        `proves` is the scope that the token has if the call succeeds. Raises what the call raises, after noting what
        that says of the token. Never for a turn.
        """
        used = self.for_token(token_id)
        try:
            answer = action(used.credential)
        except UpstreamError as error:
            if not self.refused(used, error):
                raise
            return action(self._read(token_id).credential)
        if used.credential.pace.strikes:
            self._worked(used)
        if proves is not None:
            self.allowed(used, proves)
        return answer

    def allowed(self, used: Pass, scope: TokenScope) -> None:
        """A call of that scope succeeded. Writes only where one was refused before."""
        if scope in used.token.refused:
            self._known.pop(used.token.id, None)
            self._tokens.allowed(used.token.id, scope, generation=used.token.generation)

    def refused(self, used: Pass, error: UpstreamError) -> bool:
        """Note what a refusal says of the token. True: there is a fresh secret, ask again with a new `Pass`.

        Where credits are used up the error is given the `link` that helps a person.

        A dead anonymous token is refreshed once for everybody: whoever comes second finds a newer generation. Raises
        what kept the fresh one from coming, if that may pass. A supplied token is never replaced silently: it is set
        aside for a person, unless a person has just given it a fresh secret.
        """
        if isinstance(error, UpstreamThrottled):
            return False  # we did not ask
        token = used.token
        self._known.pop(token.id, None)
        match error:
            case TokenRejected() if token.kind is TokenKind.ANONYMOUS:
                return self._refresh(token)
            case TokenRejected():
                if not self._tokens.mark(token.id, TokenHealth.INVALID, generation=token.generation):
                    now = self._tokens.find(token.id)
                    # Whether its owner has put another secret in its place since we read it.
                    return now.generation != token.generation and now.health is not TokenHealth.INVALID
            case UpstreamForbidden(scope=str(scope)):
                if self._tokens.forbidden(token.id, TokenScope(scope), generation=token.generation):
                    log.warning("tokens.blocked", token=token.id, scope=scope, by="refusals")
            case CreditsExhausted():
                # What helps a person: the anonymous register and keep their history, all others top up.
                error.detail = {**error.detail, "link": credits_link(self._web_url, token.user_id)}
                self._tokens.mark(token.id, TokenHealth.EXHAUSTED, generation=token.generation)
            case RateLimited():
                # The pause goes out at once, and stands in the row: Redis may forget it.
                self._pause(token.id, self._tokens.cool(token.id, asked_s=error.retry_after, speed=self._speed))
        return False

    def _worked(self, used: Pass) -> None:
        """The token works again. Asked at most once a cooling, and not while it lasts."""
        if used.credential.pace.cooling_at(self._clock.monotonic()) <= 0:
            self._known.pop(used.token.id, None)
            self._tokens.works(used.token.id)

    def funded(self, used: Pass) -> None:
        """The balance has grown since the token was found exhausted: it serves new projects again."""
        if used.token.health is TokenHealth.EXHAUSTED:
            self._known.pop(used.token.id, None)
            self._tokens.mark(used.token.id, TokenHealth.OK, generation=used.token.generation)

    def _first_anonymous(self, tenant_id: str, client_id: str) -> UpstreamToken:
        with self._tokens.refreshing(client_id):
            token = self._tokens.pick(tenant_id)
            if token is not None:
                return token
            return self._tokens.add_anonymous(client_id, self._upstream.anonymous_token(client_id))

    def _refresh(self, token: UpstreamToken) -> bool:
        assert token.client_id is not None
        with self._tokens.refreshing(token.client_id):
            now = self._tokens.find(token.id)
            if now.generation != token.generation:
                return now.health is not TokenHealth.INVALID
            try:
                fresh = self._upstream.anonymous_token(token.client_id)
            except MAY_PASS:
                raise
            except UpstreamError:
                self._tokens.mark(token.id, TokenHealth.INVALID, generation=token.generation)
                return False
            return self._tokens.replace_secret(token.id, generation=token.generation, fresh=fresh)


def _serves(token: UpstreamToken) -> bool:
    """Whether a token that was reserved may still be begun with."""
    return token.health in PASSING and token.removed_at is None and token.blocked_at is None
