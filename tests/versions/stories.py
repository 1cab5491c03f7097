"""
What agents do, told so that every release of openai-agents understands it.

Each story is a function of a mode, `run`, `streamed` or `sync`, and returns what the
application sees. It knows nothing of chaukas: it is played with and without. What only
some releases have is imported inside the story that needs it.
"""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents import (
    Agent,
    GuardrailFunctionOutput,
    InputGuardrail,
    LocalShellTool,
    ModelSettings,
    OutputGuardrail,
    RunConfig,
    RunHooks,
    Runner,
    SQLiteSession,
    ToolGuardrailFunctionOutput,
    ToolInputGuardrail,
    ToolOutputGuardrail,
    function_tool,
)
from agents.mcp import MCPServerStdio
from agents.models.openai_chatcompletions import OpenAIChatCompletionsModel
from agents.models.openai_responses import OpenAIResponsesModel
from openai.types.responses import response_output_item

from loopback import Call, Fail, Failed, ModelServer, Text, ToolCalls, Usage

from .scripted import Scripted, calls, say

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("MODES", "STORIES")

MODES = ("run", "streamed")
"""In which every story is played; `answer` also as `sync`."""
_SERVER = Path(__file__).resolve().parent / "mcp_server.py"


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


def _assistant(*steps: Any, name: str = "Assistant", **options: Any) -> Agent[Any]:
    options.setdefault("instructions", f"You are {name}.")
    return Agent(name=name, model=Scripted(*steps), **options)


async def _run(mode: str, agent: Agent[Any], given: Any = "Hi", **options: Any) -> Any:
    if mode == "run":
        return await Runner.run(agent, given, **options)
    result = Runner.run_streamed(agent, given, **options)
    async for _ in result.stream_events():
        pass
    return result


def _play(mode: str, agent: Agent[Any], given: Any = "Hi", **options: Any) -> Any:
    if mode != "sync":
        return asyncio.run(_run(mode, agent, given, **options))
    loop = asyncio.new_event_loop()
    # Releases differ in whether they look for the thread's loop or make one.
    asyncio.set_event_loop(loop)
    try:
        return Runner.run_sync(agent, given, **options)
    finally:
        loop.close()
        asyncio.set_event_loop(None)


# -- runs, tools, agents ----------------------------------------------------------


def answer(mode: str) -> Any:
    """One question, one answer."""
    return _play(mode, _assistant(say("Hello")))


def without_tracing(mode: str) -> Any:
    """The SDK's own tracing is off."""
    config = RunConfig(tracing_disabled=True)
    steps = calls(("add", {"a": 1, "b": 2})), say("3")
    return _play(mode, _assistant(*steps, tools=[add]), run_config=config)


def parallel_tools(mode: str) -> Any:
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
    return _play(mode, _assistant(*steps, tools=[plus, times]))


def failing_tool(mode: str) -> Any:
    """A tool raises, and its error goes to the model as text."""
    steps = calls(("fail", {"reason": "no such file"})), say("It failed")
    return _play(mode, _assistant(*steps, tools=[fail]))


def raising_tool(mode: str) -> Any:
    """A tool raises, and its error ends the run."""
    steps = calls(("explode", {"reason": "no such file"})), say("unreached")
    return _play(mode, _assistant(*steps, tools=[explode]))


def slow_tool(mode: str) -> Any:
    """A tool takes too long, and the model is told so."""

    @function_tool(timeout=0.01)
    async def wait_for_ever() -> str:
        await asyncio.Event().wait()
        return "never"

    steps = calls(("wait_for_ever", {})), say("Too slow")
    return _play(mode, _assistant(*steps, tools=[wait_for_ever]))


def cancelled_in_tool(mode: str) -> Any:
    """The application gives up while a tool is at work."""

    async def main() -> Any:
        begun = asyncio.Event()

        @function_tool
        async def wait_for_ever() -> str:
            begun.set()
            await asyncio.Event().wait()
            return "never"

        steps = calls(("wait_for_ever", {})), say("unreached")
        agent = _assistant(*steps, tools=[wait_for_ever])
        if mode == "streamed":
            result = Runner.run_streamed(agent, "Hi")
            await begun.wait()
            result.cancel()
            async for _ in result.stream_events():
                pass
            await _ended(result)
            return result
        task = asyncio.ensure_future(Runner.run(agent, "Hi"))
        await begun.wait()
        task.cancel()
        return await task

    return asyncio.run(main())


def cancelled_in_model(mode: str) -> Any:
    """The application gives up while the model is at work."""

    async def main() -> Any:
        asked = asyncio.Event()

        async def think() -> Any:
            asked.set()
            await asyncio.Event().wait()

        if mode == "streamed":
            result = Runner.run_streamed(_assistant(think), "Hi")
            await asked.wait()
            result.cancel()
            await _ended(result)
            return result
        task = asyncio.ensure_future(Runner.run(_assistant(think), "Hi"))
        await asked.wait()
        task.cancel()
        return await task

    return asyncio.run(main())


async def _ended(result: Any) -> None:
    task = getattr(result, "run_loop_task", None) or result._run_impl_task
    await asyncio.wait([task])


def abandoned_stream(mode: str) -> Any:
    """The application leaves a stream, and the run goes on without it."""

    async def main() -> Any:
        steps = calls(("add", {"a": 1, "b": 2})), say("3")
        result = Runner.run_streamed(_assistant(*steps, tools=[add]), "Hi")
        async for _ in result.stream_events():
            break
        await _ended(result)
        return result

    return asyncio.run(main())


def handoff(mode: str) -> Any:
    """One agent hands over to another."""
    expert = _assistant(say("Solved"), name="Expert")
    clerk = _assistant(calls(("transfer_to_expert", {})), name="Clerk")
    clerk.handoffs = [expert]
    return _play(mode, clerk)


def agent_as_tool(mode: str) -> Any:
    """A tool that is an agent, which uses a tool itself."""
    inner = _assistant(
        calls(("add", {"a": 1, "b": 2})), say("3"), name="Inner", tools=[add]
    )
    tool = inner.as_tool("calculate", "Calculates.")
    steps = calls(("calculate", {"input": "1+2"})), say("It is 3")
    return _play(mode, _assistant(*steps, name="Outer", tools=[tool]))


def local_shell(mode: str) -> Any:
    """A tool that the SDK runs by an executor of its kind."""
    return _local_shell(mode, lambda _request: "Thursday")


def _local_shell(mode: str, executor: Any) -> Any:
    call = response_output_item.LocalShellCall.model_validate(
        {
            "type": "local_shell_call",
            "id": "lsh_1",
            "call_id": "call_1",
            "status": "completed",
            "action": {"type": "exec", "command": ["date"], "env": {}},
        }
    )
    tool = LocalShellTool(executor=executor)
    return _play(mode, _assistant([call], say("Thursday"), tools=[tool]))


def broken_local_shell(mode: str) -> Any:
    """Such a tool raises."""

    def broken(_request: Any) -> str:
        raise OSError("no shell")

    return _local_shell(mode, broken)


def shell(mode: str) -> Any:
    """A shell that the application has to allow each command of: one of two."""
    from agents import ShellTool

    def decide(_context: Any, item: Any) -> Any:
        return {"approve": item.raw_item.call_id == "call_1", "reason": "no"}

    tool = ShellTool(
        executor=lambda _request: "Thursday", needs_approval=True, on_approval=decide
    )
    kind = response_output_item.ResponseFunctionShellToolCall
    wanted = [
        kind.model_validate(
            {
                "type": "shell_call",
                "id": f"sh_{number}",
                "call_id": f"call_{number}",
                "status": "completed",
                "action": {"commands": ["date"], "timeout_ms": 1000},
            }
        )
        for number in (1, 2)
    ]
    return _play(mode, _assistant(wanted, say("Thursday"), tools=[tool]))


def hooked(mode: str) -> Any:
    """The application has run hooks of its own, which see every step in order."""
    seen: list[str] = []

    class Mine(RunHooks[Any]):
        async def on_agent_start(self, _context: Any, agent: Any) -> None:
            seen.append(f"agent {agent.name}")

        async def on_llm_start(
            self, _context: Any, agent: Any, _system: Any, items: Any
        ) -> None:
            seen.append(f"asked {len(items)}")

        async def on_tool_start(self, _context: Any, _agent: Any, tool: Any) -> None:
            seen.append(f"tool {tool.name}")

        async def on_tool_end(
            self, _context: Any, _agent: Any, tool: Any, result: Any
        ) -> None:
            seen.append(f"end {tool.name} {result}")

    steps = calls(("add", {"a": 1, "b": 2})), say("3")
    _play(mode, _assistant(*steps, tools=[add]), hooks=Mine())
    return seen


# -- guardrails and errors ----------------------------------------------------------


def _verdict(*, trip: bool) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(output_info="checked", tripwire_triggered=trip)


def input_guardrail(mode: str) -> Any:
    """A guardrail lets the question pass, once the model is being asked."""
    asked = asyncio.Event()

    def note() -> Any:
        asked.set()
        return say("Hello")

    async def polite(_context: Any, _agent: Any, _input: Any) -> Any:
        await asked.wait()
        return _verdict(trip=False)

    agent = _assistant(note, input_guardrails=[InputGuardrail(polite)])
    return _play(mode, agent)


def blocking_guardrail(mode: str) -> Any:
    """A guardrail trips before the model is asked."""

    def no_secrets(_context: Any, _agent: Any, _input: Any) -> GuardrailFunctionOutput:
        return _verdict(trip=True)

    guardrail = InputGuardrail(no_secrets, run_in_parallel=False)
    return _play(mode, _assistant(say("unreached"), input_guardrails=[guardrail]))


def output_guardrail(mode: str) -> Any:
    """A guardrail trips over the answer."""

    def polite(_context: Any, _agent: Any, _output: Any) -> GuardrailFunctionOutput:
        return _verdict(trip=True)

    guardrail = OutputGuardrail(polite)
    return _play(mode, _assistant(say("Go away"), output_guardrails=[guardrail]))


def tool_input_guardrail(mode: str) -> Any:
    """A tool's guardrail rejects the arguments: the tool does not run."""

    def small_numbers(_data: Any) -> ToolGuardrailFunctionOutput:
        return ToolGuardrailFunctionOutput.reject_content("too large", "over 10")

    @function_tool
    def double(a: int) -> int:
        return 2 * a

    double.tool_input_guardrails = [ToolInputGuardrail(small_numbers)]
    steps = calls(("double", {"a": 99})), say("Not allowed")
    return _play(mode, _assistant(*steps, tools=[double]))


def tool_output_guardrail(mode: str) -> Any:
    """A tool's guardrail rejects the result, and ends the run."""

    def no_names(_data: Any) -> ToolGuardrailFunctionOutput:
        return ToolGuardrailFunctionOutput.raise_exception("a name")

    @function_tool
    def look_up(key: int) -> str:
        return f"Name {key}"

    look_up.tool_output_guardrails = [ToolOutputGuardrail(no_names)]
    steps = calls(("look_up", {"key": 1})), say("unreached")
    return _play(mode, _assistant(*steps, tools=[look_up]))


def max_turns(mode: str, **options: Any) -> Any:
    """The model asks for a tool again and again."""
    steps = [calls(("add", {"a": n, "b": n}), first=n) for n in range(1, 4)]
    return _play(mode, _assistant(*steps, tools=[add]), max_turns=2, **options)


def handled_max_turns(mode: str) -> Any:
    """The same, and the application has an answer ready."""
    return max_turns(mode, error_handlers={"max_turns": lambda _data: "I gave up"})


def broken_model(mode: str) -> Any:
    """The model raises."""
    return _play(mode, _assistant(RuntimeError("out of memory")))


# -- the openai client ----------------------------------------------------------------


async def _served(mode: str, model: Any, *replies: Any, **options: Any) -> Any:
    with ModelServer(replies) as server:
        async with server.client() as client:
            agent = Agent(name="Assistant", model=model("gpt-5", client), **options)
            return await _run(mode, agent)


def _tool_answers(mode: str, model: Any) -> Any:
    usage = Usage(20, 6, cached_tokens=8, reasoning_tokens=2)
    call = Call("add", {"a": 1, "b": 2}, "call_1")
    replies = ToolCalls(call, usage=usage), Text("It is 3", usage=usage)
    # Over Chat Completions, a stream tells its usage only if asked to.
    settings = ModelSettings(include_usage=True)
    options = {"tools": [add], "model_settings": settings}
    return asyncio.run(_served(mode, model, *replies, **options))


def _busy(mode: str, model: Any) -> Any:
    replies = Fail(429, headers={"retry-after-ms": "5"}), Text("Hello")
    return asyncio.run(_served(mode, model, *replies))


def _refused(mode: str, model: Any) -> Any:
    return asyncio.run(_served(mode, model, Fail(401)))


def responses_failed(mode: str) -> Any:
    """The provider's stream ends with a failure."""
    return asyncio.run(_served(mode, OpenAIResponsesModel, Failed()))


def runner_retries(mode: str) -> Any:
    """The runner repeats a call that failed twice."""
    from agents import ModelRetrySettings, retry_policies

    class Busy(Exception):
        status_code = 429

    retry = ModelRetrySettings(
        max_retries=2,
        backoff={"initial_delay": 0.005, "max_delay": 0.01, "jitter": False},
        policy=retry_policies.http_status([429]),
    )
    settings = ModelSettings(retry=retry)
    steps = Busy("busy"), Busy("busy"), say("Hello")
    return _play(mode, _assistant(*steps, model_settings=settings))


# -- approvals, sessions, MCP -------------------------------------------------------


def _approval(mode: str, *, approve: bool) -> Any:
    @function_tool(needs_approval=True)
    def pay(amount: int) -> str:
        return f"paid {amount}"

    steps = calls(("pay", {"amount": 5})), say("Done")
    agent = _assistant(*steps, tools=[pay])

    async def main() -> Any:
        first = await _run(mode, agent)
        state = first.to_state()
        decide = state.approve if approve else state.reject
        for item in first.interruptions:
            decide(item)
        return await _run(mode, agent, state)

    return asyncio.run(main())


def sqlite_session(mode: str) -> Any:
    """Two runs on one session."""
    session = SQLiteSession("chat-1")

    async def main() -> Any:
        agent = _assistant(say("Hello"), say("Still here"))
        await _run(mode, agent, "Hi", session=session)
        return await _run(mode, agent, "There?", session=session)

    try:
        return asyncio.run(main())
    finally:
        session.close()


class _Own:
    """A session of an application, which inherits nothing from the SDK."""

    session_settings = None

    def __init__(self) -> None:
        self.session_id = "chat-2"
        self._items: list[Any] = []

    async def get_items(self, limit: int | None = None) -> list[Any]:
        return list(self._items)

    async def add_items(self, items: list[Any]) -> None:
        self._items += items

    async def pop_item(self) -> Any:
        return self._items.pop() if self._items else None

    async def clear_session(self) -> None:
        self._items.clear()


def own_session(mode: str) -> Any:
    """A run on a session of the application's own class."""
    return _play(mode, _assistant(say("Hello")), session=_Own())


def mcp_stdio(mode: str) -> Any:
    """A tool of an MCP server, which is a process of its own."""

    async def main() -> Any:
        params: Any = {"command": sys.executable, "args": [str(_SERVER)]}
        async with MCPServerStdio(
            params, name="station", client_session_timeout_seconds=30
        ) as server:
            steps = calls(("add", {"a": 1, "b": 2})), say("3")
            return await _run(mode, _assistant(*steps, mcp_servers=[server]))

    return asyncio.run(main())


STORIES: dict[str, Callable[[str], Any]] = {
    story.__name__: story
    for story in (
        answer,
        without_tracing,
        parallel_tools,
        failing_tool,
        raising_tool,
        slow_tool,
        cancelled_in_tool,
        cancelled_in_model,
        abandoned_stream,
        handoff,
        agent_as_tool,
        local_shell,
        broken_local_shell,
        shell,
        hooked,
        input_guardrail,
        blocking_guardrail,
        output_guardrail,
        tool_input_guardrail,
        tool_output_guardrail,
        max_turns,
        handled_max_turns,
        broken_model,
        responses_failed,
        runner_retries,
        sqlite_session,
        own_session,
        mcp_stdio,
    )
} | {
    "responses_tool": partial(_tool_answers, model=OpenAIResponsesModel),
    "responses_429": partial(_busy, model=OpenAIResponsesModel),
    "responses_401": partial(_refused, model=OpenAIResponsesModel),
    "chat_tool": partial(_tool_answers, model=OpenAIChatCompletionsModel),
    "chat_429": partial(_busy, model=OpenAIChatCompletionsModel),
    "approved": partial(_approval, approve=True),
    "rejected": partial(_approval, approve=False),
}
"""Every story by its name."""
