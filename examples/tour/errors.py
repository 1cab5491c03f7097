"""Errors: which there are, who handles them, and how a run goes on."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from agents import AgentsException, Runner, function_tool

from .scripted import bot, calls, say
from .stops import section
from .tools import add

__all__ = ()

TABLE = "Error Handling"


@function_tool
def radar() -> str:
    """Look at the radar."""
    raise LookupError("no radar today")


@section(TABLE, "Custom exceptions", shows="ERROR.error.error_code")
async def exceptions() -> None:
    unknown = calls(("no_such_tool", {}))
    with suppress(AgentsException):
        await Runner.run(bot(unknown, tools=[add]), "Go")


@section(
    TABLE,
    "Error handlers",
    shows="OUTPUT_EMITTED.message.text",
    note="the handler's answer is the run's, the error is recoverable",
)
async def handlers() -> None:
    def give_up(_data: Any) -> str:
        return "That took too long."

    sums = calls(("add", {"a": 1, "b": 2}))
    agent = bot(sums, sums, tools=[add])
    handled: Any = {"max_turns": give_up}
    await Runner.run(agent, "Go on", max_turns=1, error_handlers=handled)


@section(
    TABLE,
    "Graceful degradation",
    shows="ERROR.error",
    note="the model gets the tool's error, and continues without it",
)
async def degradation() -> None:
    agent = bot(calls(("radar", {})), say("No idea"), tools=[radar])
    await Runner.run(agent, "Will it rain?")
