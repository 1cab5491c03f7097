"""Streaming: pieces while they come, and what a stream does besides."""

from __future__ import annotations

from contextlib import suppress

from agents import InputGuardrailTripwireTriggered, Runner

from loopback import Call, Text, ToolCalls

from .core import City
from .guardrails import no_homework
from .handoffs import clerk, specialist
from .scripted import bot, calls, responses, say, served, stream
from .stops import section
from .tools import add

__all__ = ()

TABLE = "Streaming"
SUM = {"a": 1, "b": 2}
PIECE = "OUTPUT_EMITTED.message.metadata"


@section(TABLE, "Stream text", shows="OUTPUT_EMITTED.message.text")
async def text() -> None:
    await stream(bot(say("Once upon a time")))


@section(TABLE, "Stream items")
async def items() -> None:
    events = await stream(bot(calls(("add", SUM)), say("3"), tools=[add]))
    if not any(event.type == "run_item_stream_event" for event in events):
        raise AssertionError(events)


@section(TABLE, "Stream function call args", shows=PIECE)
async def arguments() -> None:
    async with served(ToolCalls(Call("add", SUM)), Text("3")) as client:
        await stream(bot(model=responses(client), tools=[add]))


@section(
    TABLE,
    "Stream events",
    shows="MODEL_INVOCATION_END.llm_invocation.chunk_count",
    note="the events of a stream are counted",
)
async def events() -> None:
    async with served(Text("Once upon a time")) as client:
        await stream(bot(model=responses(client)))


@section(
    TABLE,
    "`Runner.run_streamed()`",
    note="recorded whole, whether anybody reads the stream or not",
)
async def streamed() -> None:
    result = Runner.run_streamed(bot(say("Hello")), "Hi")
    async for _ in result.stream_events():
        pass


@section(TABLE, "Real-time text deltas", shows=PIECE)
async def deltas() -> None:
    async with served(Text("Once upon a time " * 40)) as client:
        await stream(bot(model=responses(client)))


@section(
    TABLE,
    "Tool call delta accumulation",
    shows="TOOL_CALL_START.tool_call.arguments",
)
async def accumulated() -> None:
    async with served(ToolCalls(Call("add", SUM)), Text("3")) as client:
        await stream(bot(model=responses(client), tools=[add]))


@section(TABLE, "Streaming with handoffs", shows="AGENT_HANDOFF.agent_handoff")
async def handoffs() -> None:
    await stream(clerk(expert=specialist()))


@section(TABLE, "Streaming with structured output", shows="OUTPUT_EMITTED.message.text")
async def structured() -> None:
    await stream(bot(say('{"name": "Rome", "population": 1}'), output_type=City))


@section(TABLE, "Streaming guardrails", shows="POLICY_DECISION.policy")
async def guardrails() -> None:
    agent = bot(say("Never said"), input_guardrails=[no_homework])
    with suppress(InputGuardrailTripwireTriggered):
        await stream(agent, "My homework, please")
