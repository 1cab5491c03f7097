"""Guardrails: what may go in, what may come out, and what a tool may be asked."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from agents import (
    Agent,
    GuardrailFunctionOutput,
    InputGuardrailTripwireTriggered,
    OutputGuardrailTripwireTriggered,
    RunContextWrapper,
    Runner,
    ToolGuardrailFunctionOutput,
    function_tool,
    input_guardrail,
    output_guardrail,
    tool_output_guardrail,
)

from .scripted import bot, calls, say, stream
from .stops import section

__all__ = ()

TABLE = "Guardrails"
POLICY = "POLICY_DECISION.policy"


# Not in parallel: then what was denied did not reach the model.
@input_guardrail(run_in_parallel=False)
async def no_homework(
    _context: RunContextWrapper[Any], _agent: Agent[Any], given: Any
) -> GuardrailFunctionOutput:
    """Stop questions about homework."""
    return GuardrailFunctionOutput("homework", "homework" in str(given))


@output_guardrail
async def no_numbers(
    _context: RunContextWrapper[Any], _agent: Agent[Any], output: Any
) -> GuardrailFunctionOutput:
    """Stop answers with numbers."""
    return GuardrailFunctionOutput("a number", any(map(str.isdigit, str(output))))


@section(TABLE, "Input guardrails", shows=POLICY)
async def of_input() -> None:
    agent = bot(say("Hello"), input_guardrails=[no_homework])
    await Runner.run(agent, "Hi")
    with suppress(InputGuardrailTripwireTriggered):
        await Runner.run(agent, "My homework, please")


@section(TABLE, "Output guardrails", shows=POLICY)
async def of_output() -> None:
    agent = bot(say("Hello"), say("It is 42"), output_guardrails=[no_numbers])
    await Runner.run(agent, "Hi")
    with suppress(OutputGuardrailTripwireTriggered):
        await Runner.run(agent, "The answer?")


@section(TABLE, "Tool guardrails", shows=POLICY)
async def of_tools() -> None:
    @tool_output_guardrail
    def no_secrets(data: Any) -> ToolGuardrailFunctionOutput:
        if "tulip" in str(data.output):
            return ToolGuardrailFunctionOutput.reject_content("not for you")
        return ToolGuardrailFunctionOutput.allow()

    @function_tool(tool_output_guardrails=[no_secrets])
    def look() -> str:
        """Look into the drawer."""
        return "tulip bulbs"

    await Runner.run(bot(calls(("look", {})), say("Sorry"), tools=[look]), "Look")


@section(TABLE, "Streaming guardrails", shows=POLICY)
async def while_streaming() -> None:
    agent = bot(say("It is 42"), output_guardrails=[no_numbers])
    with suppress(OutputGuardrailTripwireTriggered):
        await stream(agent, "The answer?")


@section(TABLE, "LLM as a judge", shows=POLICY)
async def judge() -> None:
    judging = bot(say("fine"), name="Judge")

    @output_guardrail
    async def judged(_context: Any, _agent: Any, output: Any) -> Any:
        verdict = await Runner.run(judging, f"Is this fine? {output}")
        return GuardrailFunctionOutput(verdict.final_output, False)

    await Runner.run(bot(say("A poem"), output_guardrails=[judged]), "Write")
