"""The table of all faults. Each can be armed by its name alone: every parameter has a default."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from nemotwin.endpoints import NAMES, Name
from nemotwin.faults import FaultTable, Mishap
from nemotwin.mishaps import answers, connections, identity, renders, resources, streams, turns
from nemotwin.twists import STALE_ERROR

EVERYWHERE: Final[tuple[Name, ...]] = NAMES
API: Final[tuple[Name, ...]] = tuple(name for name in NAMES if name != "cdn")
SIGNED: Final[tuple[Name, ...]] = tuple(name for name in API if name != "anonymous_token")
"""Whatever needs a token."""
WHOLE: Final[tuple[Name, ...]] = tuple(name for name in NAMES if name != "run_sse")
"""Whatever is answered at once, and not as a stream."""
JSON: Final[tuple[Name, ...]] = tuple(name for name in WHOLE if name not in {"render_download", "cdn"})
IN_SESSION: Final[tuple[Name, ...]] = ("run_sse", "upload", "state", "render_submit", "claim_token")
BYTES: Final[tuple[Name, ...]] = ("render_download", "cdn")
POLLED: Final[tuple[Name, ...]] = ("render_submit", "render_status")
STREAM: Final[tuple[Name, ...]] = ("run_sse",)

_STATUSES: Final = {
    400: "the request is bad",
    401: "not authenticated",
    402: "not on this plan",
    403: "forbidden",
    404: "FastAPI's detail: no such session",
    408: "the request took too long",
    409: "a conflict, as of two turns in one session",
    413: "too large, in a proxy's HTML",
    422: "FastAPI's validation",
    429: "too many requests, with or without Retry-After",
    500: "an error in plain text",
    502: "bad gateway, in HTML",
    503: "unavailable, in HTML",
    504: "gateway timeout, in HTML",
}
_CODES: Final[Mapping[int, tuple[Name, ...]]] = {
    1001: SIGNED,
    1002: SIGNED,
    1010: SIGNED,
    1011: SIGNED,
    2001: ("run_sse", "upload", "render_submit"),
    4001: ("upload",),
    4002: ("upload",),
}


def _http() -> Iterator[Mishap]:
    for status, says in _STATUSES.items():
        yield Mishap(f"{status}", says, answers.HttpStatus, EVERYWHERE, preset={"status": status})
    for status in (500, 502, 504):
        says = f"{status} although the request was processed"
        preset = {"status": status, "processed": True}
        yield Mishap(f"{status}_after", says, answers.HttpStatus, API, preset=preset)
    for code, endpoints in _CODES.items():
        says = f"body code {code} instead of an answer"
        yield Mishap(f"{code}", says, answers.BodyCode, endpoints, contract="§3", preset={"code": code})
    mangled: dict[str, tuple[str, str, tuple[Name, ...]]] = {
        "empty_body": ("empty", "200 with an empty body", WHOLE),
        "truncated_json": ("half", "200 with half of the JSON", JSON),
        "invalid_json": ("garbage", "200 with a body that is no JSON", JSON),
        "html_page": ("html", "200 with a page instead of the answer", WHOLE),
    }
    for name, (body, says, endpoints) in mangled.items():
        yield Mishap(name, says, answers.Mangled, endpoints, preset={"body": body, "megabytes": 0})
    yield Mishap("huge_body", "a body of many megabytes", answers.Mangled, WHOLE, preset={"body": "huge"})
    yield Mishap("wrong_content_type", "the answer under a wrong type", answers.WrongContentType, EVERYWHERE)
    yield Mishap("redirect", "a redirect instead of an answer", answers.Redirect, EVERYWHERE)


def _connections() -> Iterator[Mishap]:
    cuts: dict[str, tuple[str, type, tuple[Name, ...], dict[str, Any]]] = {
        "drop": ("the connection ends after some bytes, the work as chosen", connections.Drop, EVERYWHERE, {}),
        "drop_canceled": ("the same, and the turn never was", connections.Drop, STREAM, {"work": "canceled"}),
        "drop_partial": ("the same, and half of it was done", connections.Drop, STREAM, {"work": "partial"}),
        "drop_mid_line": ("drop in the middle of a line", connections.DropInside, STREAM, {"place": "line"}),
        "drop_mid_event": ("drop before an event's blank line", connections.DropInside, STREAM, {"place": "event"}),
        "drop_mid_character": ("drop inside UTF-8", connections.DropInside, STREAM, {"place": "character"}),
        "silence": ("nothing for a while, not even heartbeats", connections.Silence, EVERYWHERE, {}),
        "hang": ("no answer, and not processed while the caller waits", connections.Hang, EVERYWHERE, {}),
        "hang_after": ("processed, and never answered", connections.SlowHeaders, EVERYWHERE, {"seconds": None}),
        "slow_headers": ("processed, and answered late", connections.SlowHeaders, EVERYWHERE, {}),
        "slow_body": ("a body that dribbles", connections.SlowBody, EVERYWHERE, {}),
        "reset_before": ("reset before it was processed", connections.ResetBefore, EVERYWHERE, {}),
        "reset_after": ("reset after it was processed", connections.ResetAfter, EVERYWHERE, {}),
        "refused": ("connections are refused for a while", connections.Refused, EVERYWHERE, {}),
    }
    for name, (says, kind, endpoints, preset) in cuts.items():
        yield Mishap(name, says, kind, endpoints, preset=preset)


def _identity() -> Iterator[Mishap]:
    ends, lost, code = identity.TokenEnds, identity.SessionLost, answers.BodyCode
    yield Mishap("token_expires", "the token expires at this call", ends, SIGNED, preset={"how": "expires"})
    late = {"how": "expires", "when": "after"}
    yield Mishap("token_expires_after", "the token expires after this call", ends, SIGNED, preset=late)
    yield Mishap("token_revoked", "the token is revoked at this call", ends, SIGNED, preset={"how": "revoked"})
    yield Mishap("session_lost", "the session is lost at this call", lost, IN_SESSION)
    yield Mishap("session_lost_after", "the session is lost after it", lost, IN_SESSION, preset={"when": "after"})
    yield Mishap("session_detail", "ADK's own 404 for a session", identity.SessionDetail, STREAM, contract="§3")
    for by, name in (("client", "anonymous_limit_client"), ("address", "anonymous_limit_ip")):
        preset = {"code": 429, "status": 429, "message": f"too many anonymous tokens for this {by}"}
        yield Mishap(name, f"429 by {by}", code, ("anonymous_token",), preset=preset)


def _streams() -> Iterator[Mishap]:
    rows: dict[str, tuple[str, type, dict[str, Any]]] = {
        "crlf": ("lines end with CRLF, CR or any of them", streams.LineEndings, {}),
        "bom": ("a byte order mark", streams.Bom, {}),
        "no_final_blank_line": ("no blank line after the last event", streams.NoFinalBlankLine, {}),
        "multi_line_data": ("data over several lines", streams.MultiLineData, {}),
        "tiny_chunks": ("events split over many TCP chunks", streams.TinyChunks, {}),
        "one_chunk": ("many events in one chunk", streams.OneChunk, {}),
        "duplicate_events": ("every event twice", streams.DuplicateEvents, {}),
        "unknown_events": ("unknown event shapes", streams.UnknownEvents, {}),
        "huge_event": ("an event of megabytes", streams.HugeEvent, {}),
        "partials_only": ("partials without aggregate", streams.Lopsided, {"whole": False}),
        "aggregates_only": ("aggregate without partials", streams.Lopsided, {"whole": True}),
        "empty_stream": ("closed at once, nothing done", streams.EmptyStream, {"work": "nothing"}),
        "empty_stream_done": ("closed at once, everything done", streams.EmptyStream, {"work": "done"}),
        "empty_stream_running": ("closed at once, the work goes on", streams.EmptyStream, {"work": "continuing"}),
        "json_reply": ("JSON instead of a stream, nothing done", streams.JsonReply, {"work": "nothing"}),
        "json_reply_done": ("JSON instead of a stream, everything done", streams.JsonReply, {"work": "done"}),
    }
    for name, (says, kind, preset) in rows.items():
        yield Mishap(name, says, kind, STREAM, preset=preset)


def _turns() -> Iterator[Mishap]:
    newline = 'ValueError: could not read "draft"\nat line 1\n\nat line 2'
    max_tokens = {"code": "MAX_TOKENS", "message": "Maximum tokens reached", "text": turns.CUT_TEXT}
    rows: dict[str, tuple[str, type, dict[str, Any]]] = {
        "turn_error": ("an error frame", turns.TurnError, {}),
        "turn_error_late": ("an error frame after the first change", turns.TurnError, {"late": True}),
        "turn_error_unescaped": ("an error frame that is no JSON", turns.TurnError, {"style": "unescaped"}),
        "turn_error_newline": ("the same, cut off", turns.TurnError, {"style": "unescaped", "text": newline}),
        "turn_error_details": ("an error frame of ADK 2.x", turns.TurnError, {"style": "details"}),
        "stale_session": ("ADK's complaint of two writers", turns.TurnError, {"text": STALE_ERROR}),
        "error_code": ("errorCode without text", turns.ErrorCode, {"text": None}),
        "error_code_with_text": ("errorCode with text", turns.ErrorCode, max_tokens),
        "code_mid_stream": ("2001 mid-stream", turns.CodeMidStream, {}),
        "code_mid_stream_late": ("2001 mid-stream, after a change", turns.CodeMidStream, {"late": True}),
        "silent": ("a change without a word", turns.Quiet, {"silent": True, "idle": False, "trailing": False}),
        "silent_nothing": ("no word and no change", turns.Quiet, {"silent": True, "idle": True, "trailing": False}),
        "nothing_done": ("words without a change", turns.Quiet, {"silent": False, "idle": True, "trailing": False}),
        "trailing_issue": ("noise at the end", turns.Quiet, {"silent": False, "idle": False, "trailing": True}),
        "trailing_issue_only": ("noise only", turns.Quiet, {"silent": True, "idle": False, "trailing": True}),
        "question": ("a question instead of an edit", turns.Question, {}),
        "heartbeats_only": ("heartbeats only for more than 10 minutes", turns.HeartbeatsOnly, {}),
        "long_turn": ("a stream longer than 900 s", turns.LongTurn, {}),
        "state_lag": ("the state lags behind the stream", turns.StateLag, {}),
        "frozen_forever": ("frozen credits are never released", turns.FrozenForever, {}),
    }
    for name, (says, kind, preset) in rows.items():
        yield Mishap(name, says, kind, STREAM, preset=preset)


def _resources() -> Iterator[Mishap]:
    state: tuple[Name, ...] = ("state",)
    upload: tuple[Name, ...] = ("upload",)
    partial = resources.PartialUpload
    yield Mishap("state_missing_keys", "keys are missing in the state", resources.MissingKeys, state)
    yield Mishap(
        "state_missing_draft", "the draft is missing", resources.MissingKeys, state, preset={"keys": ("draft",)}
    )
    yield Mishap("draft_string", "the draft is a string", resources.DraftString, state)
    yield Mishap("media_by_key", "media in objects, not lists", resources.MediaByKey, state, contract="§7.3")
    yield Mishap("strange_draft", "unknown tt and keys", resources.OddDraft, state, preset={"oddity": "strange"})
    yield Mishap("huge_draft", "a draft of megabytes", resources.OddDraft, state, "§7.2", {"oddity": "huge"})
    yield Mishap("upload_partial", "one of several files is bad", partial, upload, preset={"complains": False})
    yield Mishap("upload_partial_4001", "the same, with a complaint", partial, upload, preset={"complains": True})
    yield Mishap("upload_unreachable", "the URL is not reachable", resources.Unreachable, upload)
    yield Mishap("upload_not_applied", "accepted, but not applied", resources.NotApplied, upload)


def _renders() -> Iterator[Mishap]:
    submit: tuple[Name, ...] = ("render_submit",)
    status: tuple[Name, ...] = ("render_status",)
    download: tuple[Name, ...] = ("render_download",)
    cdn: tuple[Name, ...] = ("cdn",)
    progress, length, storage = renders.StrangeProgress, renders.WrongLength, answers.StorageError
    yield Mishap("stuck_render", "stuck in pending or processing", renders.StuckRender, POLLED)
    yield Mishap("render_fails", "failed, and a second id is not", renders.RenderFails, POLLED)
    yield Mishap("progress_backwards", "progress goes backwards", progress, POLLED, preset={"style": "backwards"})
    yield Mishap("progress_missing", "progress is missing", progress, POLLED, preset={"style": "missing"})
    yield Mishap("progress_fraction", "progress from 0 to 1", progress, POLLED, "§8.3", {"style": "fraction"})
    yield Mishap("completed_without_url", "completed, without a URL", renders.NoUrl, POLLED)
    yield Mishap("unknown_status", "an unknown status word", renders.StatusWord, status)
    yield Mishap("duplicate_id", "an id that is taken", renders.DuplicateId, submit, preset={"accepted": False})
    yield Mishap("duplicate_id_accepted", "the same, of itself", renders.DuplicateId, submit, preset={"accepted": True})
    yield Mishap("download_json", "JSON instead of bytes", renders.DownloadAs, download, preset={"how": "json"})
    yield Mishap(
        "download_redirect", "a redirect to the bytes", renders.DownloadAs, download, preset={"how": "redirect"}
    )
    gone = {"status": 404, "code": "NoSuchKey", "message": "The specified key does not exist."}
    yield Mishap("url_expired", "the URL has expired", storage, cdn, preset={"status": 403})
    yield Mishap("url_gone", "nothing is at the URL", storage, cdn, preset=gone)
    yield Mishap("truncated_film", "truncated bytes", renders.TruncatedFilm, BYTES)
    yield Mishap("length_too_large", "Content-Length says more", length, BYTES, preset={"says": "more"})
    yield Mishap("length_too_small", "Content-Length says less", length, BYTES, preset={"says": "less"})


def _all() -> Iterator[Mishap]:
    yield from _http()
    yield from _connections()
    yield from _identity()
    yield from _streams()
    yield from _turns()
    yield from _resources()
    yield from _renders()


CATALOG: Final[FaultTable] = MappingProxyType({mishap.name: mishap for mishap in _all()})
"""Every fault by its name."""
