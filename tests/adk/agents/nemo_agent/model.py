"""A model that plays a script through ADK's own classes: its request, its answers, its aggregation of chunks."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from google.adk.models import BaseLlm, LlmRequest, LlmResponse
from google.adk.utils.streaming_utils import StreamingResponseAggregator
from google.genai import types

from .scripts import SCRIPTS, Call, Chunk, Say, Step

_ORDER = re.compile(r"^play (\w+)(?: #(\w+))?$")

PLAYED: defaultdict[str, list[str]] = defaultdict(list)
"""By the message's `#mark`: which steps of the model and which waits began, and how each of them ended."""


class ScriptedError(Exception):
    """What a script raises in the model's place."""


class ScriptedLlm(BaseLlm):
    """Plays the script that the user's last message names: `play <scenario> #<mark>`."""

    model: str = "scripted"
    agent: str

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        scenario, mark, step = _place(llm_request.contents)
        chunks = SCRIPTS[scenario][self.agent][step]
        with noted(mark, f"{self.agent} {step}"):
            async for answer in _streamed(chunks) if stream else _whole(chunks):
                yield answer


@contextmanager
def noted(mark: str, what: str) -> Iterator[None]:
    """Note in `PLAYED` that something began, and how it ended."""
    PLAYED[mark].append(f"{what} began")
    how = "ended"
    try:
        yield
    except (asyncio.CancelledError, GeneratorExit):
        how = "was canceled"
        raise
    except BaseException:
        how = "failed"
        raise
    finally:
        PLAYED[mark].append(f"{what} {how}")


def mark_of(message: types.Content | None) -> str:
    """The mark of a message that orders a script."""
    orders = (_ORDER.match(part.text or "") for part in (message.parts if message else None) or ())
    return next((order[2] or "" for order in orders if order), "")


def _place(contents: Sequence[types.Content]) -> tuple[str, str, int]:
    """The scenario and mark of the newest order, and how many of this agent's tool rounds followed it."""
    for index in range(len(contents) - 1, -1, -1):
        for part in contents[index].parts or ():
            order = _ORDER.match(part.text or "")
            if order and contents[index].role == "user":
                rounds = [c for c in contents[index:] if any(p.function_response for p in c.parts or ())]
                return order[1], order[2] or "", len(rounds)
    raise LookupError("no message orders a script")


async def _streamed(chunks: Step) -> AsyncGenerator[LlmResponse, None]:
    aggregator = StreamingResponseAggregator()
    async for chunk in _played(chunks):
        async for answer in aggregator.process_response(_answer(_parts(chunk.parts), chunk)):
            yield answer
    if (last := aggregator.close()) is not None:
        yield last


async def _whole(chunks: Step) -> AsyncGenerator[LlmResponse, None]:
    said: list[Say | Call] = []
    async for chunk in _played(chunks):
        for part in chunk.parts:
            before = said[-1] if said else None
            if isinstance(part, Say) and isinstance(before, Say) and part.thought == before.thought:
                said[-1] = Say(before.text + part.text, part.thought)
            else:
                said.append(part)
    yield LlmResponse.create(_answer(_parts(said), chunk))


async def _played(chunks: Step) -> AsyncGenerator[Chunk, None]:
    for chunk in chunks:
        await asyncio.sleep(chunk.pause_s)
        if chunk.fails is not None:
            raise ScriptedError(chunk.fails)
        yield chunk


def _parts(parts: Sequence[Say | Call]) -> list[types.Part]:
    return [_part(part) for part in parts]


def _part(part: Say | Call) -> types.Part:
    if isinstance(part, Say):
        return types.Part(text=part.text, thought=True if part.thought else None)
    return types.Part(function_call=types.FunctionCall(id=part.call_id, name=part.name, args=dict(part.args)))


def _answer(parts: list[types.Part], chunk: Chunk) -> types.GenerateContentResponse:
    candidate: dict[str, Any] = {"content": types.Content(role="model", parts=parts)}
    if chunk.finish:
        candidate |= {"finish_reason": types.FinishReason(chunk.finish), "finish_message": chunk.finish_message}
    return types.GenerateContentResponse(candidates=[types.Candidate(**candidate)], model_version="scripted")
