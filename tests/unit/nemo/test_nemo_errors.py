from __future__ import annotations

import inspect
import json
from typing import Any

import httpcore
import httpx
import pytest

from reelqueue import errors as tree
from reelqueue.domain.upstream import Credential, TurnCut, TurnEnd, TurnReport
from reelqueue.nemo import errors
from reelqueue.nemo.envelope import Answer, Refusal, RefusalKind, open_answer
from reelqueue.nemo.error_table import DEFINITE, Call
from reelqueue.nemo.errors import PROVEN_UNSENT
from reelqueue.nemo.transport import httpx_class


def refusal(status: int = 200, code: int | None = None, text: str | None = None, *, explicit: bool = True) -> Refusal:
    return Refusal(RefusalKind.EXPLICIT if explicit else RefusalKind.STATUS, status, code, text, {})


DOCUMENTED = {
    1001: tree.TokenRejected,
    1002: tree.SessionNotFound,
    2001: tree.CreditsExhausted,
    4001: tree.FileUnsupportedUpstream,
    4002: tree.FileTooLargeUpstream,
    402: tree.ExportNotAllowed,
    429: tree.RateLimited,
    1010: tree.TokenRejected,
    1011: tree.TokenRejected,
    401: tree.TokenRejected,
    403: tree.UpstreamForbidden,
    422: tree.UpstreamRequestInvalid,
    408: tree.UpstreamUnavailable,
    500: tree.UpstreamUnavailable,
    502: tree.UpstreamUnavailable,
    503: tree.UpstreamUnavailable,
    504: tree.UpstreamUnavailable,
}
"""Contract §3: its table, and what it tells us to expect beside it. 400, 404, 409 and 413 hang on the call."""


@pytest.mark.parametrize(("number", "expected"), DOCUMENTED.items())
@pytest.mark.parametrize("call", Call)
def test_nothing_of_the_contract_is_unmapped(number: int, expected: type, call: Call) -> None:
    if expected is tree.UpstreamUnavailable and call is Call.RUN_TURN:
        expected = tree.TurnInterrupted
    assert errors.class_of(call, refusal(code=number)) is expected
    if number < 1000:
        assert errors.class_of(call, refusal(status=number)) is expected
        assert errors.class_of(call, refusal(status=number, explicit=False)) is expected


@pytest.mark.parametrize(
    ("call", "number", "expected"),
    [
        (Call.ANONYMOUS_TOKEN, 400, tree.ClientIdMissing),
        (Call.BALANCE, 400, tree.UpstreamRequestInvalid),
        (Call.RUN_TURN, 404, tree.SessionNotFound),
        (Call.STATE, 404, tree.SessionNotFound),
        (Call.UPLOAD, 404, tree.SessionNotFound),
        (Call.UPLOAD, 413, tree.FileTooLargeUpstream),
        (Call.RENDER_SUBMIT, 413, tree.UpstreamRequestInvalid),
        (Call.RENDER_SUBMIT, 409, tree.RenderIdTaken),
        (Call.RENDER_POLL, 404, tree.RenderUnknown),
        (Call.RENDER_CANCEL, 404, tree.RenderUnknown),
        (Call.RENDER_DOWNLOAD, 404, tree.RenderUnknown),
        (Call.BALANCE, 404, tree.UpstreamRequestInvalid),
        (Call.CREATE_SESSION, 409, tree.UpstreamRequestInvalid),
        (Call.BALANCE, 418, tree.UpstreamRequestInvalid),
        (Call.BALANCE, 599, tree.UpstreamUnavailable),
        (Call.BALANCE, 302, tree.UpstreamProtocolError),
        (Call.RUN_TURN, 418, tree.TurnInterrupted),
        (Call.RUN_TURN, 599, tree.TurnInterrupted),
        (Call.RUN_TURN, 302, tree.TurnInterrupted),
    ],
)
def test_numbers_that_hang_on_the_call(call: Call, number: int, expected: type) -> None:
    assert errors.class_of(call, refusal(status=number)) is expected
    assert errors.class_of(call, refusal(code=number)) is expected


@pytest.mark.parametrize("call", Call)
def test_every_status_of_every_call_has_a_class(call: Call) -> None:
    for status in range(300, 600):
        found = errors.class_of(call, refusal(status=status, explicit=False))
        assert issubclass(found, tree.UpstreamError)
        assert found is not tree.UpstreamError


def test_a_code_outranks_the_status_it_came_with() -> None:
    assert errors.class_of(Call.STATE, refusal(status=500, code=1001)) is tree.TokenRejected
    assert errors.class_of(Call.STATE, refusal(status=404, code=1001)) is tree.TokenRejected


def test_a_code_nobody_documented_leaves_the_status_to_speak() -> None:
    assert errors.class_of(Call.STATE, refusal(status=503, code=7777)) is tree.UpstreamUnavailable
    assert errors.class_of(Call.STATE, refusal(code=7777)) is tree.UpstreamRefused


def test_an_answer_nobody_can_read() -> None:
    unreadable = Refusal(RefusalKind.UNREADABLE, 200)
    assert errors.class_of(Call.STATE, unreadable) is tree.UpstreamProtocolError


@pytest.mark.parametrize(
    ("call", "text", "expected"),
    [
        (Call.RENDER_SUBMIT, "Duplicate id", tree.RenderIdTaken),
        (Call.RENDER_SUBMIT, "render render_1 already exists", tree.RenderIdTaken),
        (Call.CREATE_SESSION, "project already exists", tree.UpstreamRefused),
        (Call.RENDER_SUBMIT, "Session not found: 55", tree.SessionNotFound),
        (Call.CLAIM_TOKEN, "Session 55 not found", tree.SessionNotFound),
        (Call.BALANCE, "something else", tree.UpstreamRefused),
    ],
)
def test_words_decide_where_numbers_are_missing(call: Call, text: str, expected: type) -> None:
    assert errors.class_of(call, refusal(text=text)) is expected


def test_the_exception_carries_what_was_said_without_the_token() -> None:
    credential = Credential("tok_1", "my-own-secret-token")
    said = "bad my-own-secret-token or nmv_usr_abc-123.x= given " + "x" * 1000
    found = errors.refused(Call.STATE, refusal(401, 1001, said), retry_after=3.0, credential=credential)
    assert isinstance(found, tree.TokenRejected)
    assert found.retry_after == 3.0
    assert found.detail["call"] == "state"
    assert found.detail["upstream_code"] == 1001
    assert found.detail["upstream_status"] == 401
    assert found.detail["upstream_message"].startswith("bad [redacted] or [redacted] given")
    assert len(found.detail["upstream_message"]) == 500
    json.dumps(found.detail)


# --- was the turn begun? -------------------------------------------------------------------------------------------

PROVEN = {1001, 1002, 1010, 1011, 2001, 4001, 4002, 400, 401, 402, 403, 404, 405, 409, 413, 415, 422, 429}


def answer(status: int, body: Any) -> Refusal:
    found = open_answer(
        Answer(status, "application/json", body if isinstance(body, bytes) else json.dumps(body).encode())
    )
    assert isinstance(found, Refusal)
    return found


def test_the_closed_list_is_closed() -> None:
    assert DEFINITE == PROVEN
    for code in range(1, 10_000):
        assert errors.turn_refused(answer(200, {"code": code})) is (code in PROVEN)


def test_which_statuses_refuse_a_turn() -> None:
    for status in range(200, 600):
        said, bare = {"detail": "no"}, b"<html>no</html>"
        assert errors.turn_refused(answer(status, said)) is (400 <= status < 500 and status in PROVEN)
        assert errors.turn_refused(answer(status, bare)) is (status == 429)


@pytest.mark.parametrize("code", [1001, 1002, 2001, 429])
@pytest.mark.parametrize("status", [301, 302, 307, 408, 500, 502, 503, 504])
def test_no_code_makes_a_server_error_or_a_redirect_a_proof(code: int, status: int) -> None:
    assert errors.turn_refused(answer(status, {"code": code})) is False


@pytest.mark.parametrize("body", [{"success": False, "error": "x"}, {"detail": "x"}, b"", b"[]", {"code": "NOPE"}])
def test_a_2xx_without_a_known_code_proves_nothing(body: Any) -> None:
    assert errors.turn_refused(answer(200, body)) is False


def test_what_may_be_sent_again_is_what_promise_5_lists() -> None:
    sent_again = {errors.class_of(Call.RUN_TURN, refusal(code=code)) for code in (1001, 1002, 2001, 429)}
    held_back = {tree.UpstreamThrottled, tree.TokenCooling, tree.TokenBlocked}
    assert set(PROVEN_UNSENT) == sent_again | held_back | {tree.NotSent}
    assert not issubclass(TurnCut, PROVEN_UNSENT)


@pytest.mark.parametrize(
    ("call", "scope"),
    [
        *((Call.STATE, "read"), (Call.CREATE_SESSION, "write"), (Call.RUN_TURN, "write"), (Call.UPLOAD, "upload")),
        *((Call.RENDER_SUBMIT, "render"), (Call.RENDER_POLL, "render"), (Call.RENDER_DOWNLOAD, None)),
    ],
)
def test_a_403_says_what_the_token_lacks_if_nemovideo_itself_says_no(call: Call, scope: str | None) -> None:
    """A page without JSON comes from what stands before it."""
    said, bare = errors.refused(call, refusal(403)), errors.refused(call, refusal(403, explicit=False))
    assert isinstance(said, tree.UpstreamForbidden)
    assert isinstance(bare, tree.UpstreamForbidden)
    assert (said.scope, bare.scope) == (scope, None)


# --- the way there -------------------------------------------------------------------------------------------------

HTTPX_CLASSES = [
    cls for _, cls in inspect.getmembers(httpx, inspect.isclass) if issubclass(cls, Exception) and cls is not Exception
]
HTTPCORE_CLASSES = [
    cls
    for _, cls in inspect.getmembers(httpcore, inspect.isclass)
    if issubclass(cls, Exception) and cls is not httpcore.ConnectionNotAvailable  # caught by the pool itself
]


def make(cls: type[Exception]) -> Exception:
    request = httpx.Request("GET", "http://h")
    if issubclass(cls, httpx.HTTPStatusError):
        return cls("x", request=request, response=httpx.Response(500))
    if cls in (httpx.StreamConsumed, httpx.StreamClosed, httpx.ResponseNotRead, httpx.RequestNotRead):
        return cls()
    return cls("x")


def test_the_walk_meets_the_classes_it_should() -> None:
    assert len(HTTPX_CLASSES) >= 25
    assert len(HTTPCORE_CLASSES) >= 12


@pytest.mark.parametrize("cls", HTTPX_CLASSES)
def test_every_httpx_class_is_mapped_and_only_zero_bytes_prove_not_sent(cls: type[Exception]) -> None:
    exc = make(cls)
    assert isinstance(exc, errors.TRANSPORT_FAILURES)
    for call in Call:
        assert type(errors.unsent_or_broken(exc, bytes_sent=0, call=call)) is tree.NotSent
        turn, others = (tree.TurnInterrupted,), (tree.UpstreamUnavailable, tree.UpstreamProtocolError)
        for sent in (1, 10_000):
            found = type(errors.unsent_or_broken(exc, bytes_sent=sent, call=call))
            assert found in (turn if call is Call.RUN_TURN else others)


@pytest.mark.parametrize("cls", HTTPCORE_CLASSES)
def test_every_httpcore_class_becomes_the_httpx_class_of_its_name(cls: type[Exception]) -> None:
    found = httpx_class(cls)
    assert found is not None
    assert found.__name__ == cls.__name__


def test_a_new_httpcore_class_becomes_its_nearest_ancestor() -> None:
    class Stranger(httpcore.ReadError):
        pass

    assert httpx_class(Stranger) is httpx.ReadError
    assert httpx_class(ValueError) is None


# --- what the stream itself said -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, None),
        ({"error": "boom"}, tree.TurnFailed),
        ({"error": "boom", "error_code": "ValueError"}, tree.TurnFailed),
        ({"error_code": "SAFETY"}, tree.TurnFailed),
        ({"error": "rate", "error_code": "429"}, tree.TurnFailed),
        ({"error": "rate", "error_code": "2001"}, tree.TurnFailed),
        ({"error": "none left", "gateway_code": 2001}, tree.CreditsExhausted),
        ({"error": "gone", "gateway_code": 1002}, tree.SessionNotFound),
        ({"error": "dead", "gateway_code": 1001}, tree.TokenRejected),
        ({"error": "dead", "gateway_code": 401}, tree.TokenRejected),
        ({"error": "plan", "gateway_code": 402}, tree.ExportNotAllowed),
        ({"error": "scope", "gateway_code": 403}, tree.UpstreamForbidden),
        ({"error": "rate", "gateway_code": 429}, tree.RateLimited),
    ],
)
def test_the_error_a_stream_reported(said: dict[str, Any], expected: type | None) -> None:
    report = TurnReport(TurnEnd.ERROR_FRAME, **said)
    found = errors.turn_failure(report)
    assert (None if found is None else type(found)) is expected
    assert not errors.leaves_open(report)


def test_in_a_stream_too_only_the_closed_list_says_what_became_of_the_turn() -> None:
    for code in range(1, 10_000):
        report = TurnReport(TurnEnd.ERROR_FRAME, error="no", gateway_code=code)
        assert errors.leaves_open(report) is (code not in PROVEN)
    assert not errors.leaves_open(TurnReport(TurnEnd.ERROR_FRAME, error="no", error_code="503"))
