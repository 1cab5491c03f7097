"""Handoffs: one agent gives the conversation to another, with what and when."""

from __future__ import annotations

from typing import Any

from agents import HandoffInputData, RunConfig, Runner, handoff
from agents.extensions import handoff_filters
from agents.extensions.handoff_prompt import prompt_with_handoff_instructions

from .scripted import bot, calls, say
from .stops import section
from .tools import add

__all__ = ()

TABLE = "Handoffs & Multi-Agent"
HANDOFF = "AGENT_HANDOFF.agent_handoff"


def clerk(*wanted: Any, expert: Any, **options: Any) -> Any:
    """Return an agent that hands over to the expert after these calls."""
    over = calls(("transfer_to_expert", {}), first=7)
    return bot(*wanted, over, name="Clerk", handoffs=[expert], **options)


def specialist(**options: Any) -> Any:
    """Return the agent that takes over."""
    return bot(say("Solved"), name="Expert", **options)


@section(TABLE, "Basic handoffs", shows=HANDOFF)
async def basic() -> None:
    await Runner.run(clerk(expert=specialist()), "Help")


@section(TABLE, "Handoff filters", shows=f"{HANDOFF}.handoff_data")
async def filters() -> None:
    tools = handoff(specialist(), input_filter=handoff_filters.remove_all_tools)
    sums = calls(("add", {"a": 1, "b": 2}))
    await Runner.run(clerk(sums, expert=tools, tools=[add]), "Help")


@section(TABLE, "Message filtering", shows=f"{HANDOFF}.handoff_data")
async def messages() -> None:
    def last_only(data: HandoffInputData) -> HandoffInputData:
        return data.clone(pre_handoff_items=(), new_items=data.new_items[-1:])

    config = RunConfig(handoff_input_filter=last_only)
    sums = calls(("add", {"a": 1, "b": 2}))
    agent = clerk(sums, expert=specialist(), tools=[add])
    await Runner.run(agent, "Help", run_config=config)


@section(
    TABLE,
    "Handoff prompts",
    shows="MODEL_INVOCATION_START.llm_invocation.request.system",
)
async def prompts() -> None:
    text = prompt_with_handoff_instructions("Hand over.")
    await Runner.run(clerk(expert=specialist(), instructions=text), "Help")


@section(
    TABLE,
    "Conditional handoffs",
    shows="MODEL_INVOCATION_START.llm_invocation.request.handoffs",
    note="a handoff that is not enabled is not offered to the model",
)
async def conditional() -> None:
    closed = handoff(bot(name="Night desk"), is_enabled=False)
    open_now = handoff(specialist(), is_enabled=lambda _context, _agent: True)
    over = calls(("transfer_to_expert", {}))
    await Runner.run(bot(over, name="Clerk", handoffs=[closed, open_now]), "Help")
