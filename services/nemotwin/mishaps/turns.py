"""Turns that go otherwise than they should, told in a sound stream (`contract §15.2`, SSE, state and credits)."""

from dataclasses import dataclass, replace
from typing import Final

from nemotwin.errors import MESSAGES
from nemotwin.exchange import Exchange
from nemotwin.framing import ErrorStyle
from nemotwin.twists import TOOL_ERROR, EnvelopeFrame, ErrorEvent, ErrorFrame

CUT_TEXT: Final = "Here is what I have so far: the first scene opens on"
"""What a model says that has reached the end of its tokens."""


@dataclass(frozen=True, slots=True)
class TurnError:
    """Break the turn off with an error frame, before it has changed anything or, if `late`, after its first change.

    Without a change its credits are released, with one they are charged.
    """

    style: ErrorStyle = "valid"
    late: bool = False
    text: str = TOOL_ERROR

    async def strike(self, exchange: Exchange) -> None:
        """Process, with a turn that breaks off."""
        failure = ErrorFrame(text=self.text, style=self.style)
        exchange.turn = replace(exchange.turn, failure=failure, late=self.late)
        await exchange.proceed()


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """Break the turn off with an event that carries `errorCode`; the stream ends as always. `late`: see `TurnError`."""

    code: str = "SAFETY"
    message: str = "The response was blocked."
    text: str | None = None
    late: bool = False

    async def strike(self, exchange: Exchange) -> None:
        """Process, with a turn that breaks off."""
        failure = ErrorEvent(code=self.code, message=self.message, text=self.text)
        exchange.turn = replace(exchange.turn, failure=failure, late=self.late)
        await exchange.proceed()


@dataclass(frozen=True, slots=True)
class CodeMidStream:
    """Break the turn off with a body code in the stream. `late` as in `TurnError`."""

    code: int = 2001
    late: bool = False

    async def strike(self, exchange: Exchange) -> None:
        """Process, with a turn that breaks off."""
        failure = EnvelopeFrame(code=self.code, message=MESSAGES.get(self.code, "refused"))
        exchange.turn = replace(exchange.turn, failure=failure, late=self.late)
        await exchange.proceed()


@dataclass(frozen=True, slots=True)
class Quiet:
    """Let the turn end without a visible word, or without a change, or both."""

    silent: bool = True
    idle: bool = False
    trailing: bool = False

    async def strike(self, exchange: Exchange) -> None:
        """Process, with a turn of few words or none; `trailing` adds the backend's noise to them."""
        exchange.turn = replace(exchange.turn, silent=self.silent, idle=self.idle, trailing=self.trailing)
        await exchange.proceed()


@dataclass(frozen=True, slots=True)
class Question:
    """Let the agent ask `text` and do nothing else; whatever is said next is taken as the answer."""

    text: str = "Which colour should the title have?"

    async def strike(self, exchange: Exchange) -> None:
        """Process, with a turn that asks."""
        exchange.turn = replace(exchange.turn, asks=self.text)
        await exchange.proceed()


@dataclass(frozen=True, slots=True)
class HeartbeatsOnly:
    """Let the turn send nothing but heartbeats for `seconds` virtual, once `after_events` have gone out."""

    seconds: float = 660.0
    after_events: int = 1

    async def strike(self, exchange: Exchange) -> None:
        """Process, with a turn that waits."""
        exchange.turn = replace(exchange.turn, quiet=self.seconds, quiet_after=self.after_events)
        await exchange.proceed()


@dataclass(frozen=True, slots=True)
class LongTurn:
    """Let the turn take `seconds` virtual, its events spread evenly over them."""

    seconds: float = 960.0

    async def strike(self, exchange: Exchange) -> None:
        """Process, with a turn that takes its time."""
        exchange.turn = replace(exchange.turn, seconds=self.seconds)
        await exchange.proceed()


@dataclass(frozen=True, slots=True)
class StateLag:
    """Hide what the turn changes from so many `polls` of the state."""

    polls: int = 3

    async def strike(self, exchange: Exchange) -> None:
        """Process, with changes that come late."""
        exchange.turn = replace(exchange.turn, lag=self.polls)
        await exchange.proceed()


@dataclass(frozen=True, slots=True)
class FrozenForever:
    """Leave the credits of the turn frozen when it is over."""

    async def strike(self, exchange: Exchange) -> None:
        """Process, with a turn that is never settled."""
        exchange.turn = replace(exchange.turn, keeps_frozen=True)
        await exchange.proceed()
