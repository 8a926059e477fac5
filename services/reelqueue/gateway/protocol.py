"""HTTP/1.1 at the socket: uvicorn's protocol, with the limits it leaves to a proxy in front.

What is bounded here is what no ASGI application can see: a head that never ends, a client that sends or reads nothing,
and the rest of a body that was refused.
"""

from __future__ import annotations

from asyncio import TimerHandle, Transport
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from reelqueue.errors import CallerError, ReelqueueError
from reelqueue.gateway.edge import MAX_HEADER_BYTES, MAX_TARGET_BYTES
from reelqueue.gateway.errors import HeadersTooLarge
from reelqueue.gateway.problems import MEDIA_TYPE, problem_document
from reelqueue.gateway.responses import dumps
from reelqueue.kit.ids import new_id

MAX_HEAD_BYTES: Final = 2 * (MAX_TARGET_BYTES + MAX_HEADER_BYTES)
"""A head that has not ended by then is given up. One that has is measured exactly, by `Edge`."""
HEAD_S: Final = 15.0
"""From the connection, or the first byte of a later request, to the end of the head."""
UNREAD_S: Final = 60.0
"""How long a client may read nothing of an answer."""
LINGER_S: Final = 5.0
"""How long the rest of a refused body is read and dropped, so that the refusal reaches a client still sending."""


class HttpUnreadable(CallerError):
    """The request is not HTTP."""

    code = "http_invalid"
    fix = "Use an HTTP client."


class GatewayProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._in_head = True
        self._message_open = False
        self._timers: dict[str, TimerHandle] = {}

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Take the connection; the first head has to come in time."""
        super().connection_made(transport)
        self._arm("head", HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers."""
        for name in list(self._timers):
            self._disarm(name)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse; give up a head that is too long."""
        if self._in_head:
            self._head_bytes += len(data)
            self._arm("head", HEAD_S)
        super().data_received(data)
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(HeadersTooLarge())

    def on_headers_complete(self) -> None:
        """The head has ended."""
        self._in_head = False
        self._message_open = True
        self._disarm("head")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body has ended; what comes next is a head."""
        self._message_open = False
        self._in_head = True
        self._head_bytes = 0
        self._disarm("linger")
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The answer is out, perhaps before all of the body was in."""
        super().on_response_complete()
        if self._message_open and not self.transport.is_closing():
            self._arm("linger", LINGER_S)

    def pause_writing(self) -> None:
        """The client does not keep up."""
        self._arm("unread", UNREAD_S)
        super().pause_writing()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._disarm("unread")
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the words are ours
        """What the parser cannot read gets a problem like everything else."""
        self._refuse(HttpUnreadable())

    def shutdown(self) -> None:
        """The process stops: let those who wait on the hub answer now, so that this connection can end."""
        hub = self.app_state.get("hub")
        if hub is not None:
            hub.close()
        super().shutdown()

    def _refuse(self, error: ReelqueueError) -> None:
        """Answer and close. Not in the middle of another answer: then only close."""
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            request_id = new_id("request")
            body = dumps(problem_document(error, request_id=request_id))
            head = (
                f"HTTP/1.1 {error.status} Refused\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
                f"x-request-id: {request_id}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
        self.transport.close()

    def _arm(self, name: str, seconds: float) -> None:
        if name not in self._timers:
            self._timers[name] = self.loop.call_later(seconds, self._give_up)

    def _disarm(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _give_up(self) -> None:
        """Abort: a client that does not read would keep a closing connection open."""
        self.transport.abort()
