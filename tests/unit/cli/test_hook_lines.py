from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from rich.console import Console

from reelqueue.cli.hooks.follow import Following, _welcome
from reelqueue.cli.hooks.lines import Lines, line_of
from reelqueue.cli.hooks.sending import STAGE_WORDS, Message, words_of
from reelqueue.webhooks.sender import DeliveryOutcome, ErrorClass

AT = datetime(2026, 11, 27, 18, 25, 19, tzinfo=UTC)
MESSAGE = Message(
    id="evt_1", type="job.succeeded", body=b"{}", position=12, job_id="job_06c6k4zvm5rk9r8dm7k5h2v3ea", job_seq=6
)


def outcome(**changes: Any) -> DeliveryOutcome:
    plain = {
        "delivered": False,
        "status": 500,
        "error_class": "status",
        "elapsed_ms": 31,
        "response_excerpt": "",
        "retry_after_s": None,
    }
    return DeliveryOutcome(**{**plain, **changes})


@pytest.mark.parametrize(
    ("changes", "end"),
    [
        ({"delivered": True, "status": 204, "error_class": None}, "204    31 ms"),
        ({"response_excerpt": "\n  no such table \nTraceback"}, "500    31 ms  no such table"),
        ({"response_excerpt": "x" * 500}, "500    31 ms  " + "x" * 120),
        ({"status": None, "error_class": "connect"}, "---    31 ms  nobody listens there"),
        ({"status": None, "error_class": "wait", "elapsed_ms": 15_001}, "--- 15001 ms  no whole answer within 15 s"),
    ],
)
def test_a_line_has_all_a_developer_asks_for(changes, end):
    begin = "18:25:19    12  job.succeeded      job_06c6k4zvm5rk9r8dm7k5h2v3ea #6   "
    assert line_of(MESSAGE, outcome(**changes), at=AT).plain == begin + end


def test_an_event_of_no_job_leaves_its_columns_empty():
    plain = Message(id="evt_1", type="upstream.degraded", body=b"{}")
    assert line_of(plain, outcome(), at=AT, again=True).plain == (
        "18:25:19        upstream.degraded  -" + " " * 29 + "      500    31 ms  again"
    )


def test_every_stage_at_which_a_try_can_end_has_its_words():
    stages = {name for part in get_args(ErrorClass) for name in (get_args(part) or (part,))}
    assert set(STAGE_WORDS) == stages - {"status"}
    assert words_of(outcome(error_class="tls", status=None)) == STAGE_WORDS["tls"]


@pytest.mark.parametrize(
    ("keyboard", "words"),
    [(True, "r sends the last one again, q or Ctrl-C ends."), (False, "Keys are not read here. Ctrl-C ends.")],
)
def test_a_person_is_told_whether_keys_do_anything(keyboard: bool, words: str):
    shown = Console(file=io.StringIO(), force_terminal=True, width=200)
    wanted = Following(api_url="http://here", forward_to="http://there", types=(), begin=None)
    _welcome(Lines(shown), wanted, after=0, secret="whsec_x", kept="a file", keyboard=keyboard)
    assert words in shown.file.getvalue()
