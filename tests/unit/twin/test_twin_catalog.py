"""The table of faults: whole, and usable by a machine."""

import pytest
from pydantic import TypeAdapter

from nemotwin.endpoints import NAMES
from nemotwin.faults import Faults, UnknownFaultError
from nemotwin.mishaps import CATALOG

CONTRACT = {
    "HTTP": """400 401 402 403 404 408 409 413 422 429 500 502 503 504 500_after 502_after 504_after
        1001 1002 1010 1011 2001 4001 4002 empty_body truncated_json invalid_json html_page huge_body
        wrong_content_type redirect slow_headers slow_body hang hang_after refused reset_before reset_after""",
    "auth": "token_expires token_expires_after token_revoked anonymous_limit_client anonymous_limit_ip",
    "session": "session_lost session_lost_after session_detail",
    "SSE": """drop drop_canceled drop_partial drop_mid_event drop_mid_character drop_mid_line silence heartbeats_only
        long_turn turn_error turn_error_late turn_error_unescaped turn_error_newline turn_error_details
        error_code error_code_with_text code_mid_stream code_mid_stream_late partials_only aggregates_only
        duplicate_events unknown_events tiny_chunks one_chunk crlf no_final_blank_line bom huge_event multi_line_data
        empty_stream empty_stream_done empty_stream_running json_reply json_reply_done""",
    "agent": "silent silent_nothing nothing_done trailing_issue trailing_issue_only question",
    "state": """state_lag state_missing_keys state_missing_draft draft_string strange_draft huge_draft media_by_key""",
    "upload": "upload_partial upload_partial_4001 upload_unreachable upload_not_applied",
    "render": """stuck_render render_fails duplicate_id duplicate_id_accepted unknown_status completed_without_url
        progress_backwards progress_missing progress_fraction url_expired url_gone truncated_film length_too_large
        length_too_small download_json download_redirect""",
    "credits": "frozen_forever",
    "concurrency": "stale_session",
}


def test_it_has_every_fault_of_the_contract_and_no_other():
    assert sorted(CATALOG) == sorted(" ".join(CONTRACT.values()).split())


def test_every_row_is_complete():
    for name, mishap in CATALOG.items():
        assert mishap.name == name
        assert mishap.says, name
        assert mishap.contract.startswith("§"), name
        assert mishap.endpoints, name
        assert set(mishap.endpoints) <= set(NAMES), name
        assert set(mishap.schema) == set(mishap.parameters), name
        assert not set(mishap.parameters) & set(mishap.preset), name
        assert mishap.kind.__doc__, name


def test_every_fault_can_be_armed_by_its_name_alone():
    faults = Faults(CATALOG)
    for name, mishap in CATALOG.items():
        armed = faults.arm(name, mishap.endpoints[0], count=1, after=0, params={})
        view = armed.view()
        assert view["fault"] == name
        for key, value in mishap.preset.items():
            assert view["params"][key] == value, name
        assert TypeAdapter(dict).dump_json(view)


def test_a_fault_makes_sense_nowhere_else():
    refused = 0
    for name, mishap in CATALOG.items():
        for endpoint in set(NAMES) - set(mishap.endpoints):
            with pytest.raises(UnknownFaultError, match="makes sense at"):
                Faults(CATALOG).arm(name, endpoint, count=1, after=0, params={})
            refused += 1
    assert refused > len(CATALOG)


def test_everywhere_is_where_it_makes_sense():
    faults = Faults(CATALOG)
    faults.arm("strange_draft", "*", count=None, after=0, params={})
    assert faults.take("credits") is None
    assert faults.take("state") is not None


def test_what_a_name_presets_cannot_be_changed():
    with pytest.raises(UnknownFaultError, match="no parameter place"):
        CATALOG["drop_mid_line"].make({"place": "event"})


def test_faults_that_strike_as_one_need_an_endpoint_in_common():
    faults = Faults(CATALOG)
    armed = faults.arm("tiny_chunks", "*", count=1, after=0, params={}, also=[("silent", {}), ("drop", {"at_byte": 9})])
    assert armed.endpoints == {"run_sse"}
    assert armed.view()["fault"] == "tiny_chunks+silent+drop"
    with pytest.raises(UnknownFaultError, match="no endpoint"):
        faults.arm("silent", "*", count=1, after=0, params={}, also=[("url_expired", {})])
