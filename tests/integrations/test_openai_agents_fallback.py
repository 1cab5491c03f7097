"""Where a hook point is missing, the public interfaces record instead."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from agents import Agent, LocalShellTool, RunHooks, Runner, function_tool
from agents.testing import ScriptedModel, assistant_message, function_call
from openai.types.responses.response_output_item import LocalShellCall

from chaukas.cli.tree import render
from chaukas.sdk import _runtime
from chaukas.sdk.integrations.openai_agents.compat.fallback import FALLBACKS
from chaukas.sdk.integrations.openai_agents.compat.hooks import SpanRecorder
from chaukas.sdk.patching import MonkeyPatcher, Patch
from chaukas.sdk.testing import capture_events
from tests.support.trees import only

_EXECUTOR = (
    "agents.run_internal.tool_execution:_FunctionToolBatchExecutor"
    "._invoke_tool_and_run_post_invoke"
)
_HANDOFF = "agents.run_internal.turn_resolution:execute_handoffs"
_MODEL = (
    "agents.models.interface:Model.get_response",
    "agents.models.interface:Model.stream_response",
    "agents.run_internal.model_retry:get_response_with_retry",
    "agents.run_internal.model_retry:stream_response_with_retry",
)
_EXECUTED = "agents.run_context:RunContextWrapper._mark_tool_invocation_executed"
_SHELL = {
    "type": "local_shell_call",
    "id": "lsh_1",
    "call_id": "call_1",
    "status": "completed",
    "action": {"type": "exec", "command": ["date"], "env": {}},
}
_RUN = ("agents.run:AgentRunner.run", "agents.run:AgentRunner.run_streamed")
_BODIES = (
    "agents.run:AgentRunner._run_impl",
    "agents.run_internal.run_loop:start_streaming",
)


@function_tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def _agents() -> Agent[Any]:
    second = Agent(name="second", model=ScriptedModel([[assistant_message("done")]]))
    script = [
        [function_call("add", {"a": 1, "b": 2}, call_id="c1")],
        [function_call("transfer_to_second", {}, call_id="c2")],
    ]
    return Agent(
        name="first", model=ScriptedModel(script), tools=[add], handoffs=[second]
    )


def _hide(monkeypatch: pytest.MonkeyPatch, *targets: str) -> None:
    """Make the release look as if it had no such hook points."""
    install = MonkeyPatcher.install

    def without(self: MonkeyPatcher, patch: Patch) -> str:
        if patch.target in targets:
            patch = Patch("agents.run:gone", patch.wrap, patch.emits)
            outcome = install(self, patch)
            self._outcomes.update(dict.fromkeys(targets, "missing"))
            return outcome
        return install(self, patch)

    monkeypatch.setattr(MonkeyPatcher, "install", without)


async def _record(*, streamed: bool = False, hooks: Any = None) -> list[dict[str, Any]]:
    with capture_events() as events:
        if streamed:
            result = Runner.run_streamed(_agents(), "hi", hooks=hooks)
            async for _ in result.stream_events():
                pass
            assert result.final_output == "done"
        else:
            ended = await Runner.run(_agents(), "hi", hooks=hooks)
            assert ended.final_output == "done"
    return events()


def _shape(events: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Each event's type, status, and the type of its parent."""
    starts = {
        event["span_id"]: event["type"] for event in events if "_START" in event["type"]
    }
    return sorted(
        (
            event["type"],
            event["status"],
            starts.get(event.get("parent_span_id", ""), ""),
        )
        for event in events
        if event["type"] != "EVENT_TYPE_SYSTEM"
    )


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    "hidden",
    [(_EXECUTOR,), (_HANDOFF,), _MODEL, (_EXECUTOR, _HANDOFF, *_MODEL)],
    ids=["tools", "handoff", "model", "all"],
)
async def test_hooks_give_the_same_tree(
    monkeypatch: pytest.MonkeyPatch, hidden: tuple[str, ...], streamed: bool
) -> None:
    """Tools, handoffs and model calls are recorded alike on both levels."""
    patched = await _record(streamed=streamed)
    _hide(monkeypatch, *hidden)
    by_hooks = await _record(streamed=streamed)

    assert _shape(patched) == _shape(by_hooks)


async def test_hooks_tell_when_an_executor_runs_its_tool(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An executor's pair opens with the tool, and has what the model asked for."""

    async def record() -> list[dict[str, Any]]:
        script = [[LocalShellCall.model_validate(_SHELL)], [assistant_message("done")]]
        tool = LocalShellTool(executor=lambda _request: "Thursday")
        agent = Agent(name="only", model=ScriptedModel(script), tools=[tool])
        with capture_events() as events:
            await Runner.run(agent, "hi")
        return events()

    patched = await record()
    _hide(monkeypatch, _EXECUTED)
    by_hooks = await record()

    assert _shape(patched) == _shape(by_hooks)
    for events in (patched, by_hooks):
        call = only(events, "TOOL_CALL_START")["tool_call"]
        assert call["tool_id"] == "call_1"
        assert call["arguments"]["command"] == ["date"]


async def test_the_users_hooks_run_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The application's own hooks see every call, in order, and stay its class."""
    seen: list[str] = []

    class Mine(RunHooks[Any]):
        async def on_tool_start(self, context: Any, agent: Any, tool: Any) -> None:
            seen.append(f"tool {tool.name}")

        async def on_handoff(
            self, context: Any, from_agent: Any, to_agent: Any
        ) -> None:
            seen.append(f"handoff {to_agent.name}")

    _hide(monkeypatch, _EXECUTOR, _HANDOFF)
    await _record(hooks=Mine())

    assert seen == ["tool add", "handoff second"]


async def test_system_tells_what_fell_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SYSTEM event of enabling lists hook points by what became of them."""
    _hide(monkeypatch, _HANDOFF)
    enabled = (await _record())[0]["metadata"]
    hooks = enabled["data"]["integrations"]["openai_agents"]["hooks"]

    assert hooks["fallback"] == [_HANDOFF]
    assert _EXECUTOR in hooks["active"]
    assert _HANDOFF not in hooks["active"]


async def test_spans_take_over_when_no_run_can_be_patched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without `AgentRunner.run` the SDK's own spans give agents, tools, handoffs."""
    _hide(monkeypatch, *_RUN, *_BODIES, _EXECUTOR, _HANDOFF, *_MODEL)
    events = await _record()
    kinds = [event["type"].removeprefix("EVENT_TYPE_") for event in events]

    assert 2 == kinds.count("AGENT_START") == kinds.count("AGENT_END")
    assert 1 == kinds.count("TOOL_CALL_START") == kinds.count("TOOL_CALL_END")
    assert kinds.count("AGENT_HANDOFF") == 1
    assert 1 == kinds.count("SESSION_START") == kinds.count("SESSION_END")
    assert "tool add" in "\n".join(render(events))


@pytest.mark.parametrize("streamed", [False, True])
async def test_the_body_of_a_run_is_enough(
    streamed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _shape(await _record(streamed=streamed))
    _hide(monkeypatch, *_RUN)
    assert _shape(await _record(streamed=streamed)) == whole


async def test_spans_are_sampled_as_runs_are(monkeypatch: pytest.MonkeyPatch) -> None:
    _hide(monkeypatch, *_RUN, *_BODIES, _EXECUTOR, _HANDOFF, *_MODEL)
    with capture_events(sample_rate=0) as events:
        await Runner.run(_agents(), "hi")
    assert {event["type"] for event in events()} == {"EVENT_TYPE_SYSTEM"}


class _Ended(NamedTuple):
    """A trace, or a span that never ends."""

    trace_id: str
    span_id: str = "s"
    parent_id: str | None = None
    span_data: Any = SimpleNamespace(type="agent", name="A", tools=[], handoffs=[])


def test_what_a_trace_left_open_goes_with_it() -> None:
    with capture_events() as events:
        recorder = SpanRecorder(_runtime.active())
        for number in range(50):
            trace = _Ended(f"trace_{number}")
            recorder.on_trace_start(trace)
            recorder.on_span_start(trace)
            recorder.on_trace_end(trace)
        assert not recorder._traces
        for number in range(2000):
            recorder.on_trace_start(_Ended(f"open_{number}"))
        assert len(recorder._traces) == 1024
    kinds = [event["type"] for event in events()]
    assert kinds.count("EVENT_TYPE_AGENT_END") == 50


def test_a_trace_that_cannot_be_read_is_no_error_of_the_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CHAUKAS_RAISE_INTERNAL", raising=False)
    with capture_events():
        SpanRecorder(_runtime.active()).on_trace_end(object())


def test_every_fallback_is_a_patch_of_the_integration() -> None:
    """No fallback is kept for a hook point that is not patched any more."""
    from chaukas.sdk.integrations.openai_agents import OpenAIAgentsEnhancedWrapper

    targets = {patch.target for patch in OpenAIAgentsEnhancedWrapper(None).patches()}

    assert set(FALLBACKS) <= targets
