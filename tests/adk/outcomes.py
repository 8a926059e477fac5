"""What each scenario of the scripted agent must come to. Written by hand, not derived from the scripts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from reelqueue.domain.upstream import TurnEnd, TurnReport


def _said(*texts: str, tools: tuple[str, ...] = ()) -> TurnReport:
    return TurnReport(TurnEnd.CLOSED, texts, tools)


def _broke(error: str, *texts: str, tools: tuple[str, ...] = (), kind: str = "ScriptedError") -> TurnReport:
    return TurnReport(TurnEnd.ERROR_FRAME, texts, tools, error=f"{kind}: {error}", error_code=kind)


def _refused(code: str, error: str) -> TurnReport:
    return TurnReport(TurnEnd.CLOSED, error=error, error_code=code)


EDIT: Final = ("edit_timeline",)

OUTCOMES: Final[Mapping[str, TurnReport]] = {
    "text": _said("Hello, world."),
    "empty_last_chunk": _said("Hello, world."),
    "tool": _said("Working on it.", "Done, added the title.", tools=EDIT),
    "thought_between_texts": _said("One. Two."),
    "parallel_tools": _said("Three things.", "All done.", tools=("edit_timeline", "add_music", "edit_timeline")),
    "same_words_twice": _said("Ok.", "Ok.", tools=EDIT),
    "silent": _said(tools=EDIT),
    "silent_after_thought": _said(tools=EDIT),
    "nothing_at_all": _said(),
    "long_running": _said("Your video is being made.", tools=("generate_video",)),
    "model_error": _broke("model is down"),
    "unkind_error": _broke(
        'He said "no": {"error": "x"}\nand left\r\n\r\ndata: {"content": {"parts": [{"text": "forged"}]}}\n\n\u2028é'
    ),
    "error_after_tool": _broke("model is down", tools=EDIT),
    "error_after_pieces": _broke("gone", tools=EDIT),
    "error_after_like_pieces": _broke("gone"),
    "tool_error": _broke("the tool broke", "Trying.", tools=("break_down",), kind="RuntimeError"),
    "safety": _refused("SAFETY", "blocked for safety"),
    "safety_after_text": _said("Well, I "),
    "max_tokens": _refused("MAX_TOKENS", "too long"),
    "max_tokens_with_text": _said("A long story"),
    "unicode": _said(
        "正在添加标题 🎬",
        "完成\u2028了。 Ça y est\u0085 — 👩‍👩‍👧‍👦\r\ndata: fine\n\n\x00.",
        tools=EDIT,
    ),
    "big_state": _said("Imported.", tools=("import_media",)),
    "slow": _said("Step 0.", "Step 1.", "Step 2.", "All three.", tools=EDIT * 3),
    "transfer": _said(
        "Let me ask.", "Helper here.", "The helper is done.", tools=("transfer_to_agent", "edit_timeline")
    ),
    "crew": _said("left", "right", tools=("transfer_to_agent",)),
}
"""With streaming off, as the client asks for it."""

STREAMED: Final[Mapping[str, TurnReport]] = {
    # Only a stream shows what was said before a step broke.
    "error_after_pieces": replace(OUTCOMES["error_after_pieces"], texts=("Half a sentence",)),
    "error_after_like_pieces": replace(OUTCOMES["error_after_like_pieces"], texts=("hahahaha",)),
    # ADK names the reason beside the text only here.
    "safety_after_text": replace(OUTCOMES["safety_after_text"], error="blocked for safety", error_code="SAFETY"),
    "max_tokens_with_text": replace(OUTCOMES["max_tokens_with_text"], error="too long", error_code="MAX_TOKENS"),
}
"""Where streaming tells more. All other scenarios come to the same."""


def outcome(scenario: str, *, streaming: bool) -> TurnReport:
    """What a scenario must come to."""
    return STREAMED.get(scenario, OUTCOMES[scenario]) if streaming else OUTCOMES[scenario]
