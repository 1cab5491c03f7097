"""Usage: what a run took, and what that costs."""

from __future__ import annotations

from agents import Runner

from loopback import Call, Text, ToolCalls, Usage

from .scripted import bot, responses, served
from .stops import section
from .tools import add

__all__ = ()

TABLE = "Usage Tracking"


@section(TABLE, "Token usage tracking", shows="AGENT_END.metadata.usage")
async def tokens() -> None:
    took = Usage(1000, 200, cached_tokens=800, reasoning_tokens=150)
    called = ToolCalls(Call("add", {"a": 1, "b": 2}), usage=took)
    async with served(called, Text("3", usage=took)) as client:
        await Runner.run(bot(model=responses(client), tools=[add]), "1 + 2?")


@section(TABLE, "Cost tracking", shows="MODEL_INVOCATION_END.cost")
async def cost() -> None:
    took = Usage(1000, 200, cached_tokens=800)
    async with served(Text("Hello", usage=took)) as client:
        await Runner.run(bot(model=responses(client)), "Hi")
