"""
The stories that agents play in tests, each as one function of how they are run.

Kept apart from what is expected of their events, because the same stories are also
played without chaukas, to compare what the application sees.
"""

from __future__ import annotations

import asyncio
from typing import Any

from agents import (
    Agent,
    GuardrailFunctionOutput,
    InputGuardrail,
    ModelRetrySettings,
    ModelSettings,
    OutputGuardrail,
    RunConfig,
    ToolGuardrailFunctionOutput,
    ToolInputGuardrail,
    ToolOutputGuardrail,
    function_tool,
    retry_policies,
    set_tracing_disabled,
)
from agents.testing import ScriptedModel
from openai.types.responses import ResponseOutputMessage, ResponseOutputRefusal

from .agent_runs import Mode, calls, play, run_in, say

__all__ = (
    "SCENARIOS",
    "add",
    "agent_as_tool",
    "answer",
    "assistant",
    "blocking_guardrail",
    "broken_model",
    "endless_tools",
    "failing_tool",
    "handled_turn_limit",
    "handoff",
    "judged",
    "output_guardrail",
    "parallel_guardrail",
    "parallel_tools",
    "raising_guardrail",
    "raising_tool",
    "refusal",
    "runner_retries",
    "slow_tool",
    "streaming_agent_as_tool",
    "tool_input_guardrail",
    "tool_output_guardrail",
    "unknown_tool",
    "without_tracing",
)


@function_tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@function_tool
def fail(reason: str) -> str:
    """Fail."""
    raise ValueError(reason)


@function_tool(failure_error_function=None)
def explode(reason: str) -> str:
    """Fail, and let nobody handle it."""
    raise ValueError(reason)


@function_tool(timeout=0.01)
async def wait_for_ever() -> str:
    """Never return."""
    await asyncio.Event().wait()
    return "never"


def assistant(*steps: Any, name: str = "Assistant", **options: Any) -> Agent[Any]:
    """Return an agent whose model answers with these steps, one for each call."""
    options.setdefault("instructions", f"You are {name}.")
    return Agent(name=name, model=ScriptedModel(steps), **options)


def answer(mode: Mode) -> Any:
    """One question, one answer."""
    return play(mode, assistant(say("Hello")))


def parallel_tools(mode: Mode, **options: Any) -> Any:
    """Two tools at the same time: each ends when both have begun."""
    begun: list[asyncio.Event] = []

    async def both_begun() -> None:
        begun.append(asyncio.Event())
        if len(begun) == 2:
            for event in begun:
                event.set()
        await begun[-1].wait()

    @function_tool
    async def plus(a: int, b: int) -> int:
        await both_begun()
        return a + b

    @function_tool
    async def times(a: int, b: int) -> int:
        await both_begun()
        return a * b

    numbers = {"a": 2, "b": 3}
    steps = calls(("plus", numbers), ("times", numbers)), say("5 and 6")
    return play(mode, assistant(*steps, tools=[plus, times]), **options)


def failing_tool(mode: Mode) -> Any:
    """A tool raises, and its error goes to the model as text."""
    steps = calls(("fail", {"reason": "no such file"})), say("It failed")
    return play(mode, assistant(*steps, tools=[fail]))


def raising_tool(mode: Mode) -> Any:
    """A tool raises, and its error ends the run."""
    steps = calls(("explode", {"reason": "no such file"})), say("unreached")
    return play(mode, assistant(*steps, tools=[explode]))


def slow_tool(mode: Mode) -> Any:
    """A tool takes too long, and the model is told so."""
    steps = calls(("wait_for_ever", {})), say("Too slow")
    return play(mode, assistant(*steps, tools=[wait_for_ever]))


def unknown_tool(mode: Mode) -> Any:
    """The model calls a tool that nobody has."""
    return play(mode, assistant(calls(("missing", {}))))


def handoff(mode: Mode) -> Any:
    """One agent hands over to another."""
    expert = assistant(say("Solved"), name="Expert")
    clerk = assistant(calls(("transfer_to_expert", {})), name="Clerk")
    clerk.handoffs = [expert]
    return play(mode, clerk)


def agent_as_tool(mode: Mode) -> Any:
    """A tool that is an agent, which uses a tool itself."""
    inner = assistant(
        calls(("add", {"a": 1, "b": 2})), say("3"), name="Inner", tools=[add]
    )
    tool = inner.as_tool("calculate", "Calculates.")
    steps = calls(("calculate", {"input": "1+2"})), say("It is 3")
    return play(mode, assistant(*steps, name="Outer", tools=[tool]))


def streaming_agent_as_tool(mode: Mode) -> Any:
    """A tool that is an agent, whose events somebody listens to."""
    heard: list[Any] = []
    inner = assistant(say("3"), name="Inner")
    tool = inner.as_tool("calculate", "Calculates.", on_stream=heard.append)
    steps = calls(("calculate", {"input": "1+2"})), say("It is 3")
    result = play(mode, assistant(*steps, name="Outer", tools=[tool]))
    assert heard
    return result


def _verdict(*, trip: bool) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(output_info="checked", tripwire_triggered=trip)


def parallel_guardrail(mode: Mode) -> Any:
    """A guardrail trips while the model is at work."""

    def no_secrets(_context: Any, _agent: Any, _input: Any) -> GuardrailFunctionOutput:
        return _verdict(trip=True)

    agent = assistant(say("unreached"))
    agent.input_guardrails = [InputGuardrail(no_secrets)]
    return play(mode, agent)


def raising_guardrail(mode: Mode) -> Any:
    """A guardrail fails itself, after the model has answered."""
    answered = asyncio.Event()

    def note(_call: Any) -> Any:
        answered.set()
        return say("Hello")

    async def broken(_context: Any, _agent: Any, _input: Any) -> Any:
        await answered.wait()
        raise RuntimeError("the guardrail is broken")

    agent = assistant()
    agent.model.enqueue({"responder": note})
    agent.input_guardrails = [InputGuardrail(broken)]
    return play(mode, agent)


def blocking_guardrail(mode: Mode) -> Any:
    """A guardrail trips before the model is asked."""

    def no_secrets(_context: Any, _agent: Any, _input: Any) -> GuardrailFunctionOutput:
        return _verdict(trip=True)

    agent = assistant(say("unreached"))
    agent.input_guardrails = [InputGuardrail(no_secrets, run_in_parallel=False)]
    return play(mode, agent)


def output_guardrail(mode: Mode) -> Any:
    """A guardrail trips over the answer."""

    def polite(_context: Any, _agent: Any, _output: Any) -> GuardrailFunctionOutput:
        return _verdict(trip=True)

    agent = assistant(say("Go away"))
    agent.output_guardrails = [OutputGuardrail(polite)]
    return play(mode, agent)


def tool_input_guardrail(mode: Mode) -> Any:
    """A tool's guardrail rejects the arguments: the tool does not run."""

    def small_numbers(_data: Any) -> ToolGuardrailFunctionOutput:
        return ToolGuardrailFunctionOutput.reject_content("too large", "over 10")

    @function_tool(tool_input_guardrails=[ToolInputGuardrail(small_numbers)])
    def double(a: int) -> int:
        return 2 * a

    steps = calls(("double", {"a": 99})), say("Not allowed")
    return play(mode, assistant(*steps, tools=[double]))


def tool_output_guardrail(mode: Mode) -> Any:
    """A tool's guardrail rejects the result, and ends the run."""

    def no_names(_data: Any) -> ToolGuardrailFunctionOutput:
        return ToolGuardrailFunctionOutput.raise_exception("a name")

    @function_tool(tool_output_guardrails=[ToolOutputGuardrail(no_names)])
    def look_up(key: int) -> str:
        return f"Name {key}"

    steps = calls(("look_up", {"key": 1})), say("unreached")
    return play(mode, assistant(*steps, tools=[look_up]))


def judged(mode: Mode) -> Any:
    """A guardrail asks another agent for its opinion."""
    judge = assistant(say("fine"), name="Judge")

    async def ask(_context: Any, _agent: Any, given: Any) -> GuardrailFunctionOutput:
        await run_in(Mode.RUN, judge, given)
        return _verdict(trip=False)

    agent = assistant(say("Hello"))
    agent.input_guardrails = [InputGuardrail(ask, run_in_parallel=False, name="judge")]
    return play(mode, agent)


def endless_tools(mode: Mode, **options: Any) -> Any:
    """The model asks for a tool again and again."""
    steps = [calls(("add", {"a": n, "b": n}), first=n) for n in range(1, 5)]
    options.setdefault("max_turns", 2)
    return play(mode, assistant(*steps, tools=[add]), **options)


def handled_turn_limit(mode: Mode) -> Any:
    """The limit of turns is reached, and the application has an answer ready."""
    handlers = {"max_turns": lambda _data: "I gave up"}
    return endless_tools(mode, max_turns=1, error_handlers=handlers)


def refusal(mode: Mode) -> Any:
    """The model declines."""
    part = ResponseOutputRefusal(type="refusal", refusal="I cannot help with that")
    message = ResponseOutputMessage(
        id="m1", type="message", role="assistant", status="completed", content=[part]
    )
    return play(mode, assistant([message]))


def broken_model(mode: Mode) -> Any:
    """The model raises."""
    return play(mode, assistant(RuntimeError("out of memory")))


class Busy(Exception):
    """An error of a provider, that is worth a retry."""

    status_code = 429

    def __init__(self) -> None:
        super().__init__("busy")
        self.status_code = 429


def runner_retries(mode: Mode) -> Any:
    """The runner repeats a call that failed twice."""
    retry = ModelRetrySettings(
        max_retries=2,
        backoff={"initial_delay": 0.005, "max_delay": 0.01, "jitter": False},
        policy=retry_policies.http_status([429]),
    )
    settings = ModelSettings(retry=retry)
    agent = assistant(Busy(), Busy(), say("Hello"), model_settings=settings)
    return play(mode, agent)


def without_tracing(mode: Mode) -> Any:
    """The SDK's own tracing is off, for this run and for all."""
    set_tracing_disabled(True)
    return parallel_tools(mode, run_config=RunConfig(tracing_disabled=True))


SCENARIOS = (
    answer,
    parallel_tools,
    failing_tool,
    raising_tool,
    slow_tool,
    unknown_tool,
    handoff,
    agent_as_tool,
    streaming_agent_as_tool,
    parallel_guardrail,
    raising_guardrail,
    blocking_guardrail,
    output_guardrail,
    tool_input_guardrail,
    tool_output_guardrail,
    judged,
    endless_tools,
    handled_turn_limit,
    refusal,
    broken_model,
    runner_retries,
    without_tracing,
)
"""Every story, for tests that hold for all of them."""
