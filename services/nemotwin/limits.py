"""What a token may do at a time: requests in any minute, and turns that run. The contract leaves it open (§16)."""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from nemotwin.accounts import Token
from nemotwin.clock import Clock
from nemotwin.errors import RefusalError, code_refusal
from nemotwin.settings import Dials

WINDOW: Final = 60.0


@dataclass(slots=True)
class Use:
    """What one token did: when it was let in within the last minute, and the most that was seen at once."""

    admitted: deque[float] = field(default_factory=deque)
    most_in_a_minute: int = 0
    most_turns: int = 0
    refused: int = 0


class Limits:
    """Lets requests in, or refuses them with 429. A token's own limits go before those of the settings; 0 is none.

    The window slides, by virtual time: of any sixty seconds, no matter where they begin. A request that is refused
    does not count.
    """

    def __init__(self, *, clock: Clock, dials: Dials, tokens: Mapping[str, Token]) -> None:
        """Begin with nothing done."""
        self._clock = clock
        self._dials = dials
        self._tokens = tokens
        self.uses: dict[str, Use] = {}

    def enter(self, bearer: str) -> RefusalError | None:
        """Count a request, or return the refusal: too many in the last minute. Who has no token is not counted."""
        token = self._tokens.get(bearer)
        if token is None:
            return None
        use, now = self.uses.setdefault(bearer, Use()), self._clock.now()
        while use.admitted and use.admitted[0] <= now - WINDOW:
            use.admitted.popleft()
        most = _chosen(token.requests_per_minute, self._dials.now.requests_per_minute)
        if most and len(use.admitted) >= most:
            return self._refusal(use, "too many requests", retry_after=use.admitted[-most] + WINDOW - now)
        use.admitted.append(now)
        use.most_in_a_minute = max(use.most_in_a_minute, len(use.admitted))
        return None

    def begin_turn(self, token: Token, running: int) -> None:
        """Refuse with 429 a turn beside as many `running` ones as the token may have."""
        use = self.uses.setdefault(token.value, Use())
        most = _chosen(token.parallel_turns, self._dials.now.parallel_turns)
        if most and running >= most:
            raise self._refusal(use, "too many turns at a time", retry_after=None)
        use.most_turns = max(use.most_turns, running + 1)

    def _refusal(self, use: Use, message: str, *, retry_after: float | None) -> RefusalError:
        use.refused += 1
        refusal = code_refusal(429, message)
        if retry_after is not None and self._dials.now.says_retry_after:
            # The header takes whole seconds of the wall, which a fast clock makes few of.
            seconds = max(1, math.ceil(retry_after / self._clock.speed))
            refusal.headers["retry-after"] = str(seconds)
        return refusal


def _chosen(own: int | None, common: int) -> int:
    return common if own is None else own
