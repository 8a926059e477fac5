"""Sessions and their state: `contract §4.2`, `§4.6`."""

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from nemotwin.ledger import SessionEntry
from nemotwin.requests import body_of, caller_of, ok


class SessionBody(BaseModel):
    """A new session; both fields may be missing."""

    task_name: str = "project"
    language: str = "en"


async def create_session(request: Request) -> Response:
    """`POST /api/tasks/me/with-session/nemo_agent`."""
    caller = caller_of(request, "write")
    body = await body_of(request, SessionBody)
    session = caller.world.sessions.create(
        user_id=caller.token.user_id, task_name=body.task_name, language=body.language
    )
    caller.world.ledger.book.sessions.append(
        SessionEntry(
            **caller.world.ledger.marks(caller.exchange.entry),
            session_id=session.session_id,
            task_id=session.task_id,
            user_id=session.user_id,
        )
    )
    return ok({"task_id": session.task_id, "session_id": session.session_id, "user_id": session.user_id})


async def latest_state(request: Request) -> Response:
    """`GET /api/state/nemo_agent/me/{sid}/latest`."""
    caller = caller_of(request, "read")
    session = caller.world.sessions.get(request.path_params["sid"], caller.token.user_id)
    return ok(
        {
            "session_id": session.session_id,
            "task_id": session.task_id,
            "task_name": session.task_name,
            "state": session.poll(),
        }
    )


ROUTES = [
    Route("/api/tasks/{user}/with-session/nemo_agent", create_session, methods=["POST"]),
    Route("/api/state/nemo_agent/{user}/{sid}/latest", latest_state, methods=["GET"]),
]
