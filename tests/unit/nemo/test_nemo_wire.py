from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelqueue.domain.upstream import Balance, NemoSession, OutputSpec, RenderPhase, UploadedFile
from reelqueue.errors import UpstreamProtocolError
from reelqueue.nemo import renders, wire
from reelqueue.nemo.envelope import Answer, Refusal, RefusalKind, Unreadable, dumps, loads, open_answer

# --- the envelope --------------------------------------------------------------------------------------------------


def opened(body: object, status: int = 200) -> Any:
    return open_answer(Answer(status, "", body if isinstance(body, bytes) else json.dumps(body).encode()))


@pytest.mark.parametrize(
    "body",
    [
        {"code": 0, "data": {}},
        {"code": "0"},
        {"success": True, "data": {}},
        {"status": "completed"},
        {},
        {"code": None},
    ],
)
def test_good_answers(body: dict[str, Any]) -> None:
    assert opened(body) == body


@pytest.mark.parametrize(
    ("body", "status", "kind", "code", "text"),
    [
        ({"code": 1002, "message": "no session", "data": None}, 200, RefusalKind.EXPLICIT, 1002, "no session"),
        ({"code": "1002"}, 200, RefusalKind.EXPLICIT, 1002, None),
        ({"code": 1002.0}, 400, RefusalKind.EXPLICIT, 1002, None),
        ({"code": "SESSION_GONE", "msg": "x"}, 200, RefusalKind.EXPLICIT, None, "x"),
        ({"success": False, "error": "bad draft"}, 200, RefusalKind.EXPLICIT, None, "bad draft"),
        ({"success": False, "error": {"message": "bad"}}, 200, RefusalKind.EXPLICIT, None, "bad"),
        ({"code": 0, "success": False}, 200, RefusalKind.EXPLICIT, None, None),
        ({"detail": "Session not found"}, 404, RefusalKind.EXPLICIT, None, "Session not found"),
        ({"detail": "odd"}, 200, RefusalKind.EXPLICIT, None, "odd"),
        (
            {"detail": [{"type": "missing", "loc": ["body", "userId"], "msg": "Field required"}]},
            422,
            RefusalKind.EXPLICIT,
            None,
            "Field required",
        ),
        ({"code": 0, "data": {}}, 500, RefusalKind.EXPLICIT, None, None),
        (b"Internal Server Error", 500, RefusalKind.STATUS, None, None),
        (b"<html>", 413, RefusalKind.STATUS, None, None),
        (b"", 302, RefusalKind.STATUS, None, None),
        (b"", 200, RefusalKind.UNREADABLE, None, None),
        (b"<html>", 200, RefusalKind.UNREADABLE, None, None),
        (b'{"code":0,"da', 200, RefusalKind.UNREADABLE, None, None),
        (b"[1]", 200, RefusalKind.UNREADABLE, None, None),
        (b"\xff\xfe", 200, RefusalKind.UNREADABLE, None, None),
        (b"[" * 100_000, 200, RefusalKind.UNREADABLE, None, None),
        (b"9" * 5000, 200, RefusalKind.UNREADABLE, None, None),
    ],
)
def test_every_spelling_of_no(body: object, status: int, kind: RefusalKind, code: int | None, text: str | None) -> None:
    found = opened(body, status)
    assert isinstance(found, Refusal)
    assert (found.kind, found.status, found.code, found.text) == (kind, status, code, text)


def test_a_byte_order_mark_before_json() -> None:
    assert opened(b'\xef\xbb\xbf{"code":0}') == {"code": 0}


def test_not_a_number_becomes_null() -> None:
    assert loads('{"a":NaN,"b":-Infinity}') == {"a": None, "b": None}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_a_draft_goes_back_as_it_came(draft: object) -> None:
    again = loads(dumps(draft))
    assert again == draft
    assert repr(again) == repr(draft)  # order and number types too


def test_a_lone_surrogate_survives_the_way_back() -> None:
    assert dumps(loads(rb'"\ud800"')) == rb'"\ud800"'


# --- tokens and sessions -------------------------------------------------------------------------------------------


def test_anonymous_token() -> None:
    found = wire.anonymous_token(
        {
            "code": 0,
            "data": {
                "token": "nmv_usr_Q2x",
                "user_id": "anon_9f",
                "expires_at": "2026-03-26T09:12:44Z",
                "credits": 100,
            },
        }
    )
    assert (found.token, found.user_id, found.credits) == ("nmv_usr_Q2x", "anon_9f", 100.0)
    assert found.expires_at == datetime(2026, 3, 26, 9, 12, 44, tzinfo=UTC)
    assert "nmv_usr" not in repr(found)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        (True, None),
        ([], None),
        (1e300, None),
        (1_774_516_364, datetime(2026, 3, 26, 9, 12, 44, tzinfo=UTC)),
        (1_774_516_364_000, datetime(2026, 3, 26, 9, 12, 44, tzinfo=UTC)),
        ("2026-03-26T09:12:44", datetime(2026, 3, 26, 9, 12, 44, tzinfo=UTC)),
        ("2026-03-26T11:12:44+02:00", datetime(2026, 3, 26, 9, 12, 44, tzinfo=UTC)),
    ],
)
def test_when_a_token_expires(raw: object, expected: datetime | None) -> None:
    assert wire.anonymous_token({"data": {"token": "t", "expires_at": raw}}).expires_at == expected


@pytest.mark.parametrize("token", [None, "", 7, "with space", "new\nline", "ünicode"])
def test_a_token_that_cannot_be_used(token: object) -> None:
    with pytest.raises(UpstreamProtocolError):
        wire.anonymous_token({"code": 0, "data": {"token": token}})


def test_claim_token() -> None:
    found = wire.claim_token({"code": 0, "data": {"claim_token": "clm_abc", "expires_in": 604800}})
    assert (found.token, found.expires_in_s) == ("clm_abc", 604800.0)
    assert "clm_" not in repr(found)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"code": 0, "data": {"task_id": "task_7", "session_id": "5529798706024415232", "user_id": "anon_9"}},
            NemoSession("5529798706024415232", "task_7", "anon_9"),
        ),
        ({"session_id": "55"}, NemoSession("55", None, None)),
        ({"code": 0, "data": {"session_id": 5529798706024415232}}, NemoSession("5529798706024415232", None, None)),
    ],
)
def test_sessions(body: dict[str, Any], expected: NemoSession) -> None:
    assert wire.session(body) == expected


@pytest.mark.parametrize("session_id", [None, "", 5.5e18, True, "..", "a/b", "a b", "x" * 201, []])
def test_a_session_without_a_usable_id(session_id: object) -> None:
    with pytest.raises(UpstreamProtocolError):
        wire.session({"code": 0, "data": {"session_id": session_id}})


# --- uploads, credits, state ---------------------------------------------------------------------------------------

BEACH = {
    "filename": "beach.mp4",
    "file_type": "video",
    "cdn_url": "https://cdn.invalid/videos/ab12/beach.mp4",
    "duration": 12.48,
    "width": 1920,
    "height": 1080,
    "fps": 30,
    "hash": "9b1d",
}


def test_uploads() -> None:
    found = wire.uploads({"code": 0, "data": {"files": [BEACH, {"filename": "a.mp3"}], "session_state_applied": True}})
    assert found == (
        UploadedFile("beach.mp4", "video", BEACH["cdn_url"], "9b1d", 12.48, 1920, 1080),
        UploadedFile("a.mp3"),
    )


@pytest.mark.parametrize(
    "data",
    [{"files": {"1": {"filename": "a"}}}, {"files": {"filename": "a"}}, {"files": ["a"]}, [{"filename": "a"}]],
)
def test_other_shapes_of_a_file_list(data: object) -> None:
    assert [file.name for file in wire.uploads({"code": 0, "data": data})] == ["a"]


def test_a_refused_file_is_not_among_the_uploaded() -> None:
    found = wire.uploads({"data": {"files": [{"filename": "a"}, {"filename": "b", "error": "bad"}]}})
    assert [file.name for file in found] == ["a"]


def test_files_kept_but_not_applied() -> None:
    found = wire.uploads({"data": {"files": [BEACH], "session_state_applied": False}})
    assert not found[0].applied


def test_an_upload_without_a_list() -> None:
    with pytest.raises(UpstreamProtocolError):
        wire.uploads({"code": 0, "data": {}})


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"available": 60, "frozen": 40, "total": 100}, Balance(60.0, 40.0, 100.0)),
        ({"available": "60.5"}, Balance(60.5, 0.0, 60.5)),
        ({"available": 1, "frozen": 2}, Balance(1.0, 2.0, 3.0)),
    ],
)
def test_balance(data: dict[str, Any], expected: Balance) -> None:
    assert wire.balance({"code": 0, "data": data}) == expected


@pytest.mark.parametrize("available", [None, "many", True, "nan", "inf", 10**400])
def test_no_balance(available: object) -> None:
    with pytest.raises(UpstreamProtocolError):
        wire.balance({"code": 0, "data": {"available": available}})


DRAFT = {"t": [{"tt": 0, "sg": [{"d": 10000, "x": 1.0}]}], "m": {"title": "Ü"}, "d": 10000}


@pytest.mark.parametrize("draft", [DRAFT, json.dumps(DRAFT)])
def test_the_draft_as_an_object_or_as_a_string(draft: object) -> None:
    found = wire.state({"code": 0, "data": {"state": {"draft": draft}}}).draft
    assert found == DRAFT
    assert list(found or ()) == list(DRAFT)


@pytest.mark.parametrize(
    "state", [{}, {"draft": None}, {"draft": {}}, {"draft": ""}, {"draft": "{}"}, {"draft": "null"}]
)
def test_before_the_first_edit_there_is_no_draft(state: dict[str, Any]) -> None:
    assert wire.state({"code": 0, "data": {"state": state}}).draft is None


def test_a_draft_that_is_a_broken_string() -> None:
    with pytest.raises(UpstreamProtocolError):
        wire.state({"code": 0, "data": {"state": {"draft": '{"t":'}}})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([{"id": 1}, {"id": 2}], ({"id": 1}, {"id": 2})),
        ({"a": {"id": 1}, "b": {"id": 2}}, ({"id": 1}, {"id": 2})),
        (["https://x"], ({"value": "https://x"},)),
        (None, ()),
        ("x", ()),
        ([None], ()),
    ],
)
def test_media_as_a_list_or_a_dict(value: object, expected: tuple[object, ...]) -> None:
    found = wire.state({"data": {"state": {"video_infos": value, "generated_media": value}}})
    assert found.uploads == expected
    assert found.generated == expected


def test_state_without_its_wrapper() -> None:
    assert wire.state({"code": 0, "data": {"draft": DRAFT, "canvas_config": {"width": 1}}}).canvas == {"width": 1}


# --- exports -------------------------------------------------------------------------------------------------------

SHAPE_A = {
    "success": True,
    "data": {
        "id": "render_1",
        "status": "completed",
        "progress": 100,
        "outputUrl": "https://static1.nemovideo.ai/render-result/render_1.mp4",
    },
}
SHAPE_B = {
    "taskId": "render_1",
    "status": "completed",
    "progress": 100,
    "output": {"url": "https://static1.nemovideo.ai/render-result/render_1.mp4", "duration": 30.5},
}


def test_both_shapes_say_the_same() -> None:
    found = renders.report(SHAPE_A)
    assert found == renders.report(SHAPE_B)
    assert (found.phase, found.progress) == (RenderPhase.COMPLETED, 100.0)
    assert found.url == SHAPE_A["data"]["outputUrl"]


@pytest.mark.parametrize(
    ("body", "phase", "progress", "url", "error"),
    [
        ({"status": "PENDING", "progress": 5}, RenderPhase.PENDING, 5.0, None, None),
        ({"data": {"state": "rendering"}}, RenderPhase.PROCESSING, None, None, None),
        ({"status": "warming"}, RenderPhase.PROCESSING, None, None, None),
        ({"status": "pending", "data": {"status": "done"}}, RenderPhase.COMPLETED, None, None, None),
        ({"status": "succeeded", "output": "https://x/y"}, RenderPhase.COMPLETED, None, "https://x/y", None),
        ({"url": "https://x/y"}, RenderPhase.COMPLETED, None, "https://x/y", None),
        ({"status": "success", "output_url": "http://x/y"}, RenderPhase.COMPLETED, None, "http://x/y", None),
        ({"status": "completed", "output": {"url": "javascript:1"}}, RenderPhase.COMPLETED, None, None, None),
        ({"status": "error", "message": "no segment"}, RenderPhase.FAILED, None, None, "no segment"),
        ({"status": "cancelled"}, RenderPhase.FAILED, None, None, None),
        ({"status": "processing", "progress": 0.5, "message": "ok"}, RenderPhase.PROCESSING, 0.5, None, None),
        ({"status": "processing", "progress": 250}, RenderPhase.PROCESSING, 100.0, None, None),
        ({"status": "processing", "progress": "-3"}, RenderPhase.PROCESSING, 0.0, None, None),
        ({"status": "processing", "progress": "half"}, RenderPhase.PROCESSING, None, None, None),
    ],
)
def test_render_reports(
    body: dict[str, Any], phase: RenderPhase, progress: float | None, url: str | None, error: str | None
) -> None:
    found = renders.report(body)
    assert (found.phase, found.progress, found.url, found.error) == (phase, progress, url, error)


def test_a_report_that_says_nothing() -> None:
    with pytest.raises(UpstreamProtocolError):
        renders.report({"code": 0, "data": {}})


def test_a_failed_render_under_an_envelope_that_says_no() -> None:
    assert renders.says_failed({"success": False, "data": {"status": "failed"}})
    assert not renders.says_failed({"success": False, "error": "unauthorized"})


def test_what_a_submit_sends() -> None:
    assert renders.submission("render_1", "55", DRAFT, OutputSpec()) == {
        "id": "render_1",
        "sessionId": "55",
        "draft": DRAFT,
        "output": {"format": "mp4", "quality": "high"},
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "data",
                    "code",
                    "success",
                    "detail",
                    "files",
                    "filename",
                    "state",
                    "draft",
                    "video_infos",
                    "token",
                    "session_id",
                    "available",
                    "status",
                    "output",
                    "url",
                    "progress",
                    "error",
                    "message",
                    "width",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_decoders_answer_or_say_that_they_cannot(body: object) -> None:
    found = open_answer(Answer(200, "", json.dumps(body).encode()))
    if isinstance(found, Refusal):
        return
    decoders = [wire.anonymous_token, wire.claim_token, wire.session, wire.uploads, wire.balance, wire.state]
    for decode in [*decoders, renders.report, renders.says_failed]:
        try:
            decode(found)  # type: ignore[operator]
        except UpstreamProtocolError:
            continue


def test_unreadable_is_a_value_error() -> None:
    with pytest.raises(Unreadable):
        loads("{")
