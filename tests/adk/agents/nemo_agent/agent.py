"""The agents and their tools. What a tool does shows in the session's state, as an edit does upstream."""

from __future__ import annotations

import asyncio

from google.adk.agents import LlmAgent, ParallelAgent
from google.adk.tools import LongRunningFunctionTool, ToolContext

from .model import ScriptedLlm, mark_of, noted


def edit_timeline(op: str, tool_context: ToolContext) -> dict[str, object]:
    """Change the timeline."""
    edits = [*tool_context.state.get("edits", []), op]
    tool_context.state["edits"] = edits
    return {"status": "ok", "edits": len(edits)}


def add_music(track: str) -> dict[str, object]:
    """Add a track of music."""
    return {"status": "ok", "track": track}


def generate_video(prompt: str) -> dict[str, object]:
    """Start to make a video."""
    return {"status": "pending", "ticket": prompt}


def import_media(size: int, tool_context: ToolContext) -> dict[str, object]:
    """Put much into the state."""
    tool_context.state["draft"] = {"t": [{"tt": 0, "sg": [{"d": n, "é": "x" * 80} for n in range(size // 100)]}]}
    return {"status": "ok"}


async def wait(seconds: float, tool_context: ToolContext) -> dict[str, object]:
    """Take a while."""
    with noted(mark_of(tool_context.user_content), "wait"):
        await asyncio.sleep(seconds)
    tool_context.state["waits"] = tool_context.state.get("waits", 0) + 1
    return {"status": "ok"}


def break_down() -> dict[str, object]:
    """Fail."""
    raise RuntimeError("the tool broke")


def _agent(name: str, *, sub_agents: list[LlmAgent | ParallelAgent] | None = None) -> LlmAgent:
    return LlmAgent(
        name=name,
        description=f"The agent {name}.",
        model=ScriptedLlm(agent=name),
        tools=[edit_timeline, add_music, LongRunningFunctionTool(generate_video), import_media, wait, break_down],
        sub_agents=sub_agents or [],
    )


root_agent = _agent(
    "nemo_agent",
    sub_agents=[_agent("helper"), ParallelAgent(name="crew", sub_agents=[_agent("left"), _agent("right")])],
)
