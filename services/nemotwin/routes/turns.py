"""The agent: `contract §4.3`, `§5`."""

from pydantic import AliasChoices, BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from nemotwin.errors import CodeError
from nemotwin.framing import error_frame
from nemotwin.requests import Caller, body_of, caller_of
from nemotwin.sessions import Session
from nemotwin.stream import TurnStream

_SNAKE_CASE = {"app_name", "user_id", "session_id", "new_message"}


def _either(camel: str, snake: str) -> AliasChoices:
    return AliasChoices(camel, snake)


class MessagePart(BaseModel):
    """A part of the message; only text is read."""

    text: str = ""


class Message(BaseModel):
    """The user's message."""

    parts: list[MessagePart] = []


class TurnBody(BaseModel):
    """ADK's request: it takes both spellings of its names, and names the camelCase one in its complaints."""

    app_name: str = Field(validation_alias=_either("appName", "app_name"))
    user_id: str = Field(validation_alias=_either("userId", "user_id"))
    session_id: str = Field(validation_alias=_either("sessionId", "session_id"))
    new_message: Message = Field(validation_alias=_either("newMessage", "new_message"))
    streaming: bool = False


async def run_sse(request: Request) -> Response:
    """`POST /run_sse`: checks and charges first, in the envelope; then streams the turn."""
    caller = caller_of(request, "write")
    body = await body_of(request, TurnBody)
    session = _session(caller, body)
    if session is None:
        return JSONResponse({"detail": f"Session not found: {body.session_id}"}, 404)
    message = "\n".join(part.text for part in body.new_message.parts)
    if not body.new_message.parts:
        return Response(error_frame("No parts in the new_message."), media_type="text/event-stream")
    world, spelled = caller.world, set(await request.json())
    # Nothing is awaited between this and the start, so that no two turns are let in as one.
    world.limits.begin_turn(caller.token, world.turns.running_of(caller.exchange.entry.token or ""))
    turn = world.turns.start(
        session,
        caller.account,
        message,
        seen=caller.exchange.entry,
        snake_case=spelled >= _SNAKE_CASE,
        twist=caller.exchange.turn,
    )
    return TurnStream(
        turn,
        world.turns,
        clock=world.clock,
        dials=world.dials,
        exchange=caller.exchange,
        streaming=body.streaming,
    )


def _session(caller: Caller, body: TurnBody) -> Session | None:
    """Return the session; `None` where the settings have ADK itself say that there is none."""
    own = body.user_id in ("me", caller.token.user_id) and body.app_name == "nemo_agent"
    try:
        return caller.world.sessions.get(body.session_id if own else "", caller.token.user_id)
    except CodeError:
        if caller.world.dials.now.lost_session_on_stream == "detail":
            return None
        raise


ROUTES = [Route("/run_sse", run_sse, methods=["POST"])]
