"""The events of a turn as an ADK server writes them (`contract §5.2`): camelCase, absent instead of null."""

import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Part: TypeAlias = dict[str, Any]
Event: TypeAlias = dict[str, Any]

ROOT = "nemo_agent"
EDITOR = "editor_agent"


def text(words: str) -> Part:
    """Return a part that the user reads."""
    return {"text": words}


def thought(words: str) -> Part:
    """Return a part that the user must not see."""
    return {"text": words, "thought": True}


def call(name: str, args: Mapping[str, Any], call_id: str) -> Part:
    """Return a tool call."""
    return {"functionCall": {"id": call_id, "args": dict(args), "name": name}}


def result(name: str, response: Mapping[str, Any], call_id: str) -> Part:
    """Return the result of the tool call of that id."""
    return {"functionResponse": {"id": call_id, "name": name, "response": dict(response)}}


@dataclass(frozen=True, slots=True)
class Draught:
    """An event before it has an id and a time. No `parts` at all (`None`) makes an event without content."""

    parts: tuple[Part, ...] | None
    role: Literal["model", "user"] = "model"
    author: str = ROOT
    long_running: tuple[str, ...] = ()
    transfer_to: str | None = None


@dataclass(slots=True)
class Scribe:
    """Writes the events of one turn: one invocation id, and ids and token counts from the turn's random source."""

    chance: random.Random
    invocation_id: str = field(init=False)

    def __post_init__(self) -> None:
        """Choose the invocation id."""
        self.invocation_id = f"e-{self.new_id()}"

    def new_id(self) -> str:
        """Return a new UUID."""
        return str(uuid.UUID(int=self.chance.getrandbits(128), version=4))

    def write(self, draught: Draught, *, at: float, delta: Mapping[str, Any] | None = None) -> Event:
        """Write one event; `delta` is what it changed in the state."""
        event: Event = {}
        from_model = draught.parts is not None and draught.role == "model"
        if from_model:
            event["modelVersion"] = "nemo-sim"
        if draught.parts is not None:
            event["content"] = {"parts": list(draught.parts), "role": draught.role}
        if from_model:
            prompt, answer = self.chance.randint(400, 4000), self.chance.randint(5, 200)
            event["finishReason"] = "STOP"
            event["usageMetadata"] = {
                "candidatesTokenCount": answer,
                "promptTokenCount": prompt,
                "totalTokenCount": prompt + answer,
            }
        event["invocationId"] = self.invocation_id
        event["author"] = draught.author
        event["actions"] = {
            "stateDelta": dict(delta or {}),
            "artifactDelta": {},
            **({"transferToAgent": draught.transfer_to} if draught.transfer_to else {}),
            "requestedAuthConfigs": {},
            "requestedToolConfirmations": {},
        }
        if _has_call(draught.parts or ()):
            event["longRunningToolIds"] = list(draught.long_running)
        if draught.author != ROOT:
            event["branch"] = f"{ROOT}.{draught.author}"
        event["id"] = self.new_id()
        event["timestamp"] = at
        return event


def flat(event: Event) -> list[Event]:
    """Return the same in the other dialect (`contract §5.6`); thoughts have no place in it."""
    events: list[Event] = []
    for part in event.get("content", {}).get("parts", []):
        if called := part.get("functionCall"):
            events.append({"type": "tool_call", "name": called["name"], "args": called["args"]})
        elif answered := part.get("functionResponse"):
            events.append({"type": "tool_result", "name": answered["name"], "result": answered["response"]})
        elif part.get("text") and not part.get("thought"):
            events.append({"type": "text", "content": part["text"]})
    return events


def in_pieces(event: Event, *, style: Literal["new", "old"], new_id: Callable[[], str]) -> list[Event]:
    """Return an event as `streaming: true` sends it: partial pieces, then the whole (`contract §5.3`).

    Texts are cut in two. In the `new` style tool calls come in advance too, under ids that are not those of the whole;
    in the `old` style the whole does not say that it is none of the pieces. Only the model's events are cut.
    """
    content = event.get("content", {})
    if content.get("role") != "model":
        return [event]
    cut = [piece for part in content["parts"] for piece in _cut(part, style=style)]
    if not cut:
        return [event]
    early = {name: value for name, value in event.items() if name not in {"finishReason", "longRunningToolIds"}}
    pieces = [
        early | {"content": {"parts": [piece], "role": "model"}, "partial": True, "id": new_id()} for piece in cut
    ]
    # The last piece may already carry what looks like an end.
    pieces[-1] |= {name: event[name] for name in ("finishReason",) if name in event}
    return [*pieces, event | {"partial": False} if style == "new" else event]


def judged(event: Event) -> Event:
    """Return an event as ADK 2.x passes it on: what the model ended without an answer is marked, though no error."""
    content = event.get("content")
    if content is None or content["role"] != "model" or any(_answers(part) for part in content["parts"]):
        return event
    return event | {"errorCode": "MODEL_RETURNED_NO_CONTENT", "errorMessage": "The model returned no content."}


def _answers(part: Part) -> bool:
    return "functionCall" in part or bool(not part.get("thought") and part.get("text", "").strip())


def _cut(part: Part, *, style: Literal["new", "old"]) -> list[Part]:
    if words := part.get("text"):
        middle = len(words) // 2
        return [part | {"text": piece} for piece in (words[:middle], words[middle:]) if piece]
    if "functionCall" in part and style == "new":
        return [{"functionCall": part["functionCall"] | {"id": f"adk-early-{part['functionCall']['id']}"}}]
    return []


def _has_call(parts: Sequence[Part]) -> bool:
    return any("functionCall" in part for part in parts)
