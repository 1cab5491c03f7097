"""
The runs that are measured, each a real `Runner.run` on a scripted model.

The model answers from memory, without HTTP: what remains is the agents SDK and
chaukas, and the difference between two such runs is chaukas alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from agents import (
    Agent,
    GuardrailFunctionOutput,
    InputGuardrail,
    ModelSettings,
    OutputGuardrail,
    Runner,
    function_tool,
    set_trace_processors,
)
from agents.models.interface import ModelTracing
from agents.testing import ModelStep, ScriptedModel, assistant_message, function_call
from agents.usage import Usage

__all__ = ("SCENARIOS", "Run", "Scenario", "export_no_traces")

Run: TypeAlias = Callable[[], Awaitable[None]]
"""A run that is ready to start; it can be run once."""

_USAGE = Usage(requests=1, input_tokens=120, output_tokens=30, total_tokens=150)
_ANSWER = "The sum of the numbers that you gave me is forty-two, in short: 42."
_DELTAS = 200
_MESSAGES = 200
_CONCURRENT = 200


@dataclass(frozen=True, slots=True)
class Scenario:
    """
    One kind of run.

    Args:
        name: As given on the command line.
        title: For people.
        prepare: Builds agents and scripted model; this is not measured.
        runs: How many agent runs one prepared run stands for.
        batch: How many prepared runs make a batch that is long enough to time.
    """

    name: str
    title: str
    prepare: Callable[[], Run]
    runs: int = 1
    batch: int = 40


def export_no_traces() -> None:
    """
    Leave the SDK's own spans on, as in production, but upload none of them.

    The exporter's thread would otherwise burn CPU time at moments of its own.
    """
    set_trace_processors([])


@function_tool
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def _allow(*_: object) -> GuardrailFunctionOutput:
    # A real guardrail awaits something; without a switch the SDK's tasks degenerate.
    await asyncio.sleep(0)
    return GuardrailFunctionOutput(output_info="fine", tripwire_triggered=False)


def _model(*steps: Any) -> ScriptedModel:
    return ScriptedModel(steps, default_usage=_USAGE)


def _text(text: str = _ANSWER) -> list[Any]:
    return [assistant_message(text)]


def _running(agent: Agent[Any], given: Any = "What is the sum?") -> Run:
    async def run() -> None:
        await Runner.run(agent, given)

    return run


def _single_turn() -> Run:
    return _running(Agent(name="Single", model=_model(_text())))


def _tools() -> Run:
    calls = [
        function_call("add", {"a": index, "b": 40}, call_id=f"call_{index}")
        for index in range(3)
    ]
    return _running(Agent(name="Tools", model=_model(calls, _text()), tools=[add]))


def _handoff() -> Run:
    call = function_call("transfer_to_expert", {}, call_id="call_handoff")
    expert = Agent(
        name="Expert",
        model=_model(_text()),
        output_guardrails=[OutputGuardrail(guardrail_function=_allow)],
    )
    triage = Agent(
        name="Triage",
        model=_model([call]),
        handoffs=[expert],
        input_guardrails=[InputGuardrail(guardrail_function=_allow)],
    )
    return _running(triage)


def _long_input() -> Run:
    roles = ("user", "assistant")
    history = [
        {"role": roles[index % 2], "content": f"Message {index}: {_ANSWER}"}
        for index in range(_MESSAGES)
    ]
    return _running(Agent(name="Long", model=_model(_text())), history)


def _concurrent() -> Run:
    waiting = [_single_turn() for _ in range(_CONCURRENT)]

    async def run() -> None:
        await asyncio.gather(*(start() for start in waiting))

    return run


def _long_text() -> str:
    return "".join(f"word{index:04} " for index in range(_DELTAS))


def _unstreamed() -> Run:
    return _running(Agent(name="Stream", model=_model(_text(_long_text()))))


def _streamed() -> Run:
    step = ModelStep.stream(_stream_events())
    agent = Agent(name="Stream", model=_model(step))

    async def run() -> None:
        result = Runner.run_streamed(agent, "What is the sum?")
        async for _ in result.stream_events():
            pass

    return run


_streams: list[list[Any]] = []


def _stream_events() -> list[Any]:
    """Take the events that the SDK makes of a message, with its one delta cut up."""
    if not _streams:
        _streams.append(asyncio.run(_recorded_stream()))
    return _streams[0]


async def _recorded_stream() -> list[Any]:
    model = ScriptedModel([_text(_long_text())], default_usage=_USAGE)
    events: list[Any] = []
    async for event in model.stream_response(
        None,
        "x",
        ModelSettings(),
        [],
        None,
        [],
        ModelTracing.DISABLED,
        previous_response_id=None,
        conversation_id=None,
        prompt=None,
    ):
        if event.type == "response.output_text.delta":
            events.extend(
                event.model_copy(update={"delta": f"word{index:04} "})
                for index in range(_DELTAS)
            )
        else:
            events.append(event)
    return [
        event.model_copy(update={"sequence_number": number})
        for number, event in enumerate(events)
    ]


SCENARIOS = (
    Scenario("single", "single turn", _single_turn),
    Scenario("tools", "2 model calls, 3 parallel tools", _tools, batch=20),
    Scenario("handoff", "handoff, input and output guardrail", _handoff, batch=20),
    Scenario("unstreamed", f"text of {_DELTAS} words, not streamed", _unstreamed),
    Scenario("streamed", f"the same in {_DELTAS} deltas", _streamed, batch=10),
    Scenario("long", f"input of {_MESSAGES} messages", _long_input, batch=10),
    Scenario(
        "concurrent",
        f"{_CONCURRENT} runs at once",
        _concurrent,
        runs=_CONCURRENT,
        batch=1,
    ),
)
"""All scenarios, in the order in which they are reported."""
