"""Documentation: what the SDK's own pages show besides the tables of features."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from agents import (
    GuardrailFunctionOutput,
    InputGuardrail,
    ModelRetrySettings,
    ModelSettings,
    ModelTimeoutError,
    OutputGuardrail,
    RunConfig,
    Runner,
    SQLiteSession,
    function_tool,
    handoff,
    retry_policies,
    run_demo_loop,
)
from agents.memory import OpenAIResponsesCompactionSession
from agents.run import ModelInputData

from loopback import Fail, Text

from .handoffs import HANDOFF, clerk, specialist
from .running import cashier
from .scripted import bot, calls, responses, say, served, stream
from .stops import section
from .tools import add

__all__ = ()

TABLE = "SDK documentation"
ASKED = "MODEL_INVOCATION_START.llm_invocation.request"


@function_tool(timeout=0.01)
async def wait_for_ever() -> str:
    """Never return."""
    await asyncio.Event().wait()
    return "never"


@section(TABLE, "Prompt templates", shows=f"{ASKED}.prompt")
async def prompt_templates() -> None:
    prompt: Any = {"id": "pmpt_7", "version": "2", "variables": {"city": "Rome"}}
    async with served(Text("Hello")) as client:
        await Runner.run(bot(model=responses(client), prompt=prompt), "Hi")


@section(TABLE, "Several tools at once", shows="TOOL_CALL_START.tool_call.tool_id")
async def several_tools() -> None:
    both = calls(("add", {"a": 1, "b": 2}), ("add", {"a": 3, "b": 4}))
    await Runner.run(bot(both, say("3 and 7"), tools=[add]), "Add them")


@section(TABLE, "Several runs at once")
async def several_runs() -> None:
    await asyncio.gather(*(Runner.run(bot(say("Hello")), "Hi") for _ in range(3)))


@section(TABLE, "Agents as tools", shows="TOOL_CALL_START.tool_call.metadata")
async def agents_as_tools() -> None:
    expert = bot(say("Three"), name="Expert")
    tool = expert.as_tool("ask_expert", "Ask the expert.")
    asked = calls(("ask_expert", {"input": "1 + 2?"}))
    await Runner.run(bot(asked, say("Three"), tools=[tool]), "1 + 2?")


@section(TABLE, "Approvals inside agents that are tools")
async def nested_approvals() -> None:
    tool = cashier().as_tool("buy", "Buy something.")
    agent = bot(calls(("buy", {"input": "Tea"})), say("Bought"), tools=[tool])
    state = (await Runner.run(agent, "Tea")).to_state()
    state.approve(state.get_interruptions()[0])
    await Runner.run(agent, state)


@section(TABLE, "Tools that take too long", shows="ERROR.error.error_code")
async def tool_timeouts() -> None:
    waiting = calls(("wait_for_ever", {}))
    await Runner.run(bot(waiting, say("Too slow"), tools=[wait_for_ever]), "Wait")


@section(TABLE, "Guardrails of a run", shows="POLICY_DECISION.policy.policy_id")
async def guardrails_of_a_run() -> None:
    def fine(_context: Any, _agent: Any, _text: Any) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput("fine", False)

    config = RunConfig(
        input_guardrails=[InputGuardrail(fine, name="before", run_in_parallel=False)],
        output_guardrails=[OutputGuardrail(fine, name="after")],
    )
    await Runner.run(bot(say("Hello")), "Hi", run_config=config)


@section(TABLE, "Filters of the model's input", shows=f"{ASKED}.system")
async def input_filters() -> None:
    def shortened(data: Any) -> ModelInputData:
        return ModelInputData(data.model_data.input[-1:], "Filtered.")

    config = RunConfig(call_model_input_filter=shortened)
    await Runner.run(bot(say("Hello")), "Hi", run_config=config)


@section(TABLE, "Nested handoff history", shows=f"{HANDOFF}.handoff_data")
async def nested_history() -> None:
    sums = calls(("add", {"a": 1, "b": 2}))
    agent = clerk(sums, expert=handoff(specialist()), tools=[add])
    config = RunConfig(nest_handoff_history=True)
    await Runner.run(agent, "Help", run_config=config)


@section(TABLE, "Timeouts of model calls", shows="ERROR.error.error_code")
async def model_timeouts() -> None:
    async def never(_call: Any) -> Any:
        await asyncio.Event().wait()

    settings = ModelSettings(timeout=0.01)
    with suppress(ModelTimeoutError):
        await Runner.run(bot({"responder": never}, model_settings=settings), "Hi")


@section(TABLE, "Retries by the runner", shows="RETRY.retry.metadata.layer")
async def runner_retries() -> None:
    retry = ModelRetrySettings(
        max_retries=2,
        backoff={"initial_delay": 0.001, "jitter": False},
        policy=retry_policies.http_status([429]),
    )
    busy = Fail(429, code="rate_limit_exceeded")
    async with served(busy, Text("Hello")) as client:
        model = responses(client.with_options(max_retries=0))
        settings = ModelSettings(retry=retry)
        await Runner.run(bot(model=model, model_settings=settings), "Hi")


@section(TABLE, "Retries by the provider's client", shows="RETRY.retry.metadata.layer")
async def client_retries() -> None:
    async with served(Fail(503, retry_after=0.001), Text("Hello")) as client:
        await Runner.run(bot(model=responses(client)), "Hi")


@section(TABLE, "Streams that are cancelled")
async def cancelled_streams() -> None:
    agent = bot(calls(("add", {"a": 1, "b": 2})), say("3"), tools=[add])
    result = Runner.run_streamed(agent, "1 + 2?")
    async for event in result.stream_events():
        if event.type == "run_item_stream_event":
            result.cancel("after_turn")


@section(TABLE, "Streams of agents that are tools")
async def streamed_agents_as_tools() -> None:
    async def notice(_event: Any) -> None:
        pass

    expert = bot(say("Three"), name="Expert")
    tool = expert.as_tool("ask_expert", "Ask the expert.", on_stream=notice)
    asked = calls(("ask_expert", {"input": "1 + 2?"}))
    await stream(bot(asked, say("Three"), tools=[tool]))


@section(TABLE, "Encrypted sessions", shows="STATE_UPDATE.state_update.session")
async def encrypted_sessions() -> None:
    from agents.extensions.memory import EncryptedSession

    store = SQLiteSession("chat-1")
    session = EncryptedSession("chat-1", store, "a-key-of-the-example")
    await Runner.run(bot(say("Hello")), "Hi", session=session)
    store.close()


@section(TABLE, "Compaction of sessions", shows="STATE_UPDATE.state_update.session")
async def compaction() -> None:
    store = SQLiteSession("chat-1")
    async with served(Text("Hello")) as client:
        session = OpenAIResponsesCompactionSession(
            "chat-1", store, client=client, should_trigger_compaction=lambda _all: True
        )
        await Runner.run(bot(model=responses(client)), "Hi", session=session)
    store.close()


@section(TABLE, "Sandbox agents", shows="TOOL_CALL_START.tool_call.arguments")
async def sandboxes() -> None:
    from agents.run_config import SandboxRunConfig
    from agents.sandbox import SandboxAgent
    from agents.sandbox.types import ExecResult
    from agents.testing import ScriptedModel, scripted_sandbox_session

    listed = ExecResult(stdout=b"a.txt\n", stderr=b"", exit_code=0)
    box = scripted_sandbox_session([{"method": "exec", "result": listed}])
    steps = calls(("exec_command", {"cmd": "ls"})), say("One file")
    agent: Any = SandboxAgent(name="Box", model=ScriptedModel(steps))
    config = RunConfig(sandbox=SandboxRunConfig(session=box))
    await Runner.run(agent, "Look", run_config=config)


@section(TABLE, "The demo loop")
async def demo_loop() -> None:
    from contextlib import redirect_stdout
    from io import StringIO
    from unittest.mock import patch

    lines = iter(["Hi", "Bye", "quit"])
    with redirect_stdout(StringIO()), patch("builtins.input", lambda _: next(lines)):
        await run_demo_loop(bot(say("Hello"), say("Bye")), stream=False)
