"""What the scripted model says, by scenario, agent and step. Plain data: nothing of ADK is imported here.

A step is one call of the model. It is a list of the chunks a streaming model would send; without streaming they come
joined into one answer, as Gemini's do. Every step but an agent's last ends in a tool call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Say:
    """A piece of text; a `thought` is not meant for the user."""

    text: str
    thought: bool = False


@dataclass(frozen=True)
class Call:
    """A tool call. Without an id ADK makes one."""

    name: str
    args: Mapping[str, object] = field(default_factory=dict)
    call_id: str | None = None


@dataclass(frozen=True)
class Chunk:
    """One message of the model's stream, after `pause_s` seconds. `fails` is raised instead of it."""

    parts: tuple[Say | Call, ...] = ()
    finish: str | None = None
    finish_message: str | None = None
    pause_s: float = 0.0
    fails: str | None = None


Step = Sequence[Chunk]

STOP = "STOP"
SLOW_S = 0.2
UNKIND = 'He said "no": {"error": "x"}\nand left\r\n\r\ndata: {"content": {"parts": [{"text": "forged"}]}}\n\n\u2028é'


def said(*pieces: str, finish: str = STOP, message: str | None = None) -> Step:
    """Text in pieces, and nothing else."""
    *first, last = (Chunk((Say(piece),)) for piece in pieces)
    return [*first, Chunk(last.parts, finish, message)]


def called(*calls: Call, first: Step = (), pause_s: float = 0.0) -> Step:
    """Chunks, then tool calls in one chunk."""
    return [*first, Chunk(calls, STOP, pause_s=pause_s)]


def edit(op: str) -> Call:
    """A call of the tool that writes the draft."""
    return Call("edit_timeline", {"op": op})


def _cut(number: int) -> Step:
    """A text, and an edit some time later."""
    return called(edit(f"cut {number}"), first=[Chunk((Say(f"Step {number}."),))], pause_s=SLOW_S)


THINKING: Step = [Chunk((Say("secret plan", thought=True),)), Chunk((Say(", still secret", thought=True),))]
SILENCE: Step = [Chunk((), STOP)]

_ROOT: Mapping[str, Sequence[Step]] = {
    "text": [said("Hello", ", wor", "ld.")],
    "empty_last_chunk": [[*said("Hello, world.", finish=""), Chunk((Say(""),), STOP)]],
    "tool": [
        called(edit("title"), first=[*THINKING, Chunk((Say("Working "),)), Chunk((Say("on it."),))]),
        said("Done, ", "added the title."),
    ],
    "thought_between_texts": [
        [Chunk((Say("One. "),)), *THINKING, Chunk((Say("Two."), Say("secret again", thought=True)), STOP)]
    ],
    "parallel_tools": [
        called(edit("title"), Call("add_music", {"track": "a"}, "call-1"), edit("fade"), first=said("Three things.")),
        said("All done."),
    ],
    "same_words_twice": [called(edit("one"), first=[Chunk((Say("Ok."),))]), said("Ok.")],
    "silent": [called(edit("title")), SILENCE],
    "silent_after_thought": [called(edit("title")), [*THINKING, Chunk((), STOP)]],
    "nothing_at_all": [SILENCE],
    "long_running": [called(Call("generate_video", {"prompt": "rain"})), said("Your video is being made.")],
    "model_error": [[Chunk(fails="model is down")]],
    "unkind_error": [[Chunk(fails=UNKIND)]],
    "error_after_tool": [called(edit("title")), [Chunk(fails="model is down")]],
    "error_after_pieces": [called(edit("title")), [*said("Half a ", "sentence", finish=""), Chunk(fails="gone")]],
    "error_after_like_pieces": [[*said("ha", "ha", "ha", "ha", finish=""), Chunk(fails="gone")]],
    "tool_error": [called(Call("break_down"), first=[Chunk((Say("Trying."),))]), said("never said")],
    "safety": [[Chunk((), "SAFETY", "blocked for safety")]],
    "safety_after_text": [[*said("Well, ", "I ", finish=""), Chunk((), "SAFETY", "blocked for safety")]],
    "max_tokens": [[Chunk((), "MAX_TOKENS", "too long")]],
    "max_tokens_with_text": [said("A long ", "story", finish="MAX_TOKENS", message="too long")],
    "unicode": [
        called(edit("标题"), first=[Chunk((Say("正在添加标题 🎬"),))]),
        said("完成\u2028了。", " Ça y est\u0085 — 👩‍👩‍👧‍👦", "\r\ndata: fine\n\n\x00."),
    ],
    "big_state": [called(Call("import_media", {"size": 2_000_000})), said("Imported.")],
    "slow": [*(_cut(n) for n in range(3)), said("All three.")],
    "endless_model": [*(_cut(n) for n in range(100)), said("never said")],
    "endless_tool": [*(called(Call("wait", {"seconds": SLOW_S})) for _ in range(100)), said("never said")],
    "stuck_tool": [
        called(Call("wait", {"seconds": 60}), first=[Chunk((Say("This takes long."),))]),
        said("never said"),
    ],
}

SCRIPTS: Mapping[str, Mapping[str, Sequence[Step]]] = {
    **{name: {"nemo_agent": steps} for name, steps in _ROOT.items()},
    "transfer": {
        "nemo_agent": [called(Call("transfer_to_agent", {"agent_name": "helper"}), first=said("Let me ask."))],
        "helper": [called(edit("title"), first=[Chunk((Say("Helper here."),))]), said("The helper ", "is done.")],
    },
    "crew": {
        "nemo_agent": [called(Call("transfer_to_agent", {"agent_name": "crew"}))],
        "left": [[*(Chunk((Say(piece),), pause_s=0.02) for piece in "left"), Chunk((), STOP)]],
        "right": [[*(Chunk((Say(piece),), pause_s=0.02) for piece in "right"), Chunk((), STOP)]],
    },
}
