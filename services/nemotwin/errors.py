"""The ways the twin says no, each as the bytes a caller sees (`contract §3`)."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

_HTTP_OF_CODE: Mapping[int, int] = {1001: 401, 1002: 404, 1010: 401, 1011: 401, 2001: 402, 4001: 415, 4002: 413}

MESSAGES: Mapping[int, str] = {
    1001: "token invalid or expired",
    1002: "session not found",
    1010: "token expired",
    1011: "token invalid",
    2001: "insufficient credits",
    4001: "unsupported file type",
    4002: "file too large",
}


class RefusalError(Exception):
    """A request is refused: `status` and JSON `body` are what the caller gets."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        """Remember what to answer."""
        super().__init__(f"{status}")
        self.status = status
        self.body = body
        self.headers: dict[str, str] = {}

    def response(self) -> Response:
        """Answer with it."""
        return JSONResponse(self.body, self.status, self.headers)


class CodeError(Exception):
    """A request is refused with one of the body codes. The HTTP status beside it is a setting, since it is unknown."""

    def __init__(self, code: int, message: str | None = None) -> None:
        """Take the usual message of the code unless one is given."""
        super().__init__(f"{code}")
        self.code = code
        self.message = message or MESSAGES[code]

    def response(self, *, http: bool) -> Response:
        """Answer with the envelope; `http` chooses the matching HTTP status instead of 200."""
        status = _HTTP_OF_CODE.get(self.code, 400) if http else 200
        return envelope_error(self.code, self.message, status=status)


def envelope_error(code: int, message: str, *, status: int) -> Response:
    """Answer `{"code": …, "message": …, "data": null}`."""
    return JSONResponse({"code": code, "message": message, "data": None}, status_code=status)


def code_refusal(status: int, message: str) -> RefusalError:
    """Refuse with an HTTP status that the envelope repeats as its code."""
    return RefusalError(status, {"code": status, "message": message, "data": None})


def render_refusal(status: int, message: str) -> RefusalError:
    """Refuse in the spelling of the render endpoints."""
    return RefusalError(status, {"success": False, "error": message})


def storage_error(status: int, code: str, message: str) -> Response:
    """Answer as the storage behind a CDN does, in XML."""
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Response(body, status, media_type="application/xml")
