"""Running: how a run is begun, watched, limited, paused and taken up again."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from agents import (
    MaxTurnsExceeded,
    RunHooks,
    Runner,
    RunState,
    function_tool,
    trace,
)

from .scripted import bot, calls, say
from .stops import section
from .tools import add

__all__ = ()

TABLE = "Runner & Execution"


@function_tool(needs_approval=True)
def pay(euros: int) -> str:
    """Pay money."""
    return f"{euros} euros paid"


def cashier(*more: Any) -> Any:
    """Return an agent that has to ask before it pays."""
    return bot(calls(("pay", {"euros": 20})), *more, say("Paid"), tools=[pay])


@section(TABLE, "`Runner.run()` async")
async def run() -> None:
    await Runner.run(bot(say("Hello")), "Hi")


@section(TABLE, "`Runner.run_sync()`")
def run_sync() -> None:
    # The SDK leaves the loop of the thread open for the next run.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        Runner.run_sync(bot(say("Hello")), "Hi")
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        asyncio.set_event_loop(None)
        loop.close()


@section(TABLE, "Max turns limit", shows="ERROR.error.error_message")
async def max_turns() -> None:
    sums = calls(("add", {"a": 1, "b": 2}))
    with suppress(MaxTurnsExceeded):
        await Runner.run(bot(sums, sums, tools=[add]), "Go on", max_turns=1)


@section(
    TABLE,
    "Agent lifecycle hooks",
    note="nothing of its own: the hooks are called as before, and may run agents",
)
async def hooks() -> None:
    class Asking(RunHooks[Any]):
        async def on_agent_start(self, _context: Any, agent: Any) -> None:
            if agent.name == "Bot":
                await Runner.run(bot(say("Go ahead"), name="Chief"), "May it?")

    await Runner.run(bot(say("Hello")), "Hi", hooks=Asking())


@section(TABLE, "Run state management", shows="STATE_UPDATE.state_update")
async def run_state() -> None:
    agent = cashier()
    state = (await Runner.run(agent, "Pay")).to_state()
    again = await RunState.from_json(agent, state.to_json())
    again.approve(again.get_interruptions()[0])
    await Runner.run(agent, again)


@section(
    TABLE,
    "Resumable runs",
    shows="AGENT_START.trace_id",
    note="a run that is resumed continues in its trace",
)
async def resumable() -> None:
    agent = cashier()
    state = (await Runner.run(agent, "Pay")).to_state()
    state.approve(state.get_interruptions()[0])
    await Runner.run(agent, state)


@section(TABLE, "Human-in-the-loop", shows="POLICY_DECISION.policy")
async def human() -> None:
    agent = cashier()
    state = (await Runner.run(agent, "Pay")).to_state()
    (asked,) = state.get_interruptions()
    state.reject(asked, rejection_message="not today")
    await Runner.run(agent, state)


@section(
    TABLE,
    "Auto mode",
    shows="POLICY_DECISION.policy",
    note="a program approves for the person, once for all calls of the tool",
)
async def auto() -> None:
    agent = cashier(calls(("pay", {"euros": 30}), first=2))
    result = await Runner.run(agent, "Pay twice")
    while result.interruptions:
        state = result.to_state()
        for asked in result.interruptions:
            state.approve(asked, always_approve=True)
        result = await Runner.run(agent, state)


@section(
    TABLE,
    "Deterministic flows",
    shows="AGENT_START.metadata.workflow_name",
    note="the program decides what comes next; `trace()` names the flow, its trace",
)
async def flow() -> None:
    with trace("Story"):
        outline = await Runner.run(bot(say("A fox"), name="Outline"), "A story")
        await Runner.run(bot(say("It ran."), name="Writer"), outline.final_output)
