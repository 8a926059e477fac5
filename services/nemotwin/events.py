"""The events of a turn as an ADK server writes them (`contract §5.2`): camelCase, absent instead of null."""

import random
import uuid
from collections.abc import Mapping, Sequence
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


def in_pieces(event: Event, *, style: Literal["new", "old"], new_ids: Sequence[str]) -> list[Event]:
    """Return an event as `streaming: true` sends it: two partial pieces, then the whole (`contract §5.3`).

    Only events that are one visible text are cut. `new_ids` are the ids of the pieces; the whole keeps its own.
    """
    parts = event.get("content", {}).get("parts", [])
    if event.get("content", {}).get("role") != "model" or len(parts) != 1 or not parts[0].get("text"):
        return [event]
    words = parts[0]["text"]
    middle = len(words) // 2
    pieces = []
    for new_id, piece in zip(new_ids, (words[:middle], words[middle:]), strict=True):
        content = {"parts": [parts[0] | {"text": piece}], "role": "model"}
        pieces.append(event | {"content": content, "partial": True, "id": new_id})
    return [*pieces, event | {"partial": False} if style == "new" else event]


def _has_call(parts: Sequence[Part]) -> bool:
    return any("functionCall" in part for part in parts)
