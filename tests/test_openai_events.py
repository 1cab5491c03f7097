"""
Every event type that the OpenAI Agents integration emits, one test each.

The short tour: what the whole trees look like, and every unusual ending, is in
`tests/integrations/`.
"""

from __future__ import annotations

import asyncio
import gc
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import openai._base_client
import pytest
from agents import (
    ApplyPatchTool,
    ComputerTool,
    GuardrailFunctionOutput,
    InputGuardrail,
    ModelSettings,
    Runner,
    ShellTool,
    SQLiteSession,
    function_tool,
)
from agents.editor import ApplyPatchResult
from agents.run import AgentRunner, set_default_agent_runner
from agents.testing import ScriptedModel

import chaukas.sdk
from chaukas.sdk.integrations.openai_agents import (
    OpenAIAgentsEnhancedWrapper,
)
from chaukas.sdk.integrations.openai_agents import (
    facts as _extract,
)
from chaukas.sdk.integrations.shared import usage as read_usage
from chaukas.sdk.record.recorder import EventPairManager, Recorder
from chaukas.sdk.record.sessions import SessionBook
from chaukas.sdk.testing import capture_events
from loopback import (
    Call,
    Fail,
    Failed,
    Hosted,
    Incomplete,
    StreamBreak,
    Text,
    ToolCalls,
)
from tests.integrations.test_openai_agents_fallback import (
    _EXECUTOR,
    _HANDOFF,
    _MODEL,
    _RUN,
    _agents,
    _hide,
)
from tests.integrations.test_openai_agents_runners import Calling, Delegating
from tests.support import scenarios
from tests.support.agent_runs import (
    Mode,
    calls,
    in_loop,
    modes,
    outcome_of,
    play,
    record,
    run_in,
    say,
)
from tests.support.models import Early, Upper, call_alone, streamed_alone
from tests.support.scenarios import add, assistant
from tests.support.served import run_served
from tests.support.trees import named, only, tree_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.sdk.typing import Event


def _item(**members: Any) -> SimpleNamespace:
    return SimpleNamespace(**members)


def events_of(scenario: Callable[[], Any], **settings: Any) -> list[Event]:
    """Return the events of a scenario, whose tree is sound."""
    events = record(scenario, **settings).events
    tree_of(events)
    return events


@modes
@pytest.mark.parametrize("scenario", scenarios.SCENARIOS, ids=lambda one: one.__name__)
def test_every_scenario_makes_a_sound_tree(
    scenario: Callable[[Mode], Any], mode: Mode
) -> None:
    events = events_of(lambda: scenario(mode))
    assert {event["metadata"].get("framework") for event in events} <= {
        None,
        "openai_agents",
    }


def test_session_events() -> None:
    events = events_of(lambda: scenarios.answer(Mode.RUN))
    start = only(events, "SESSION_START")
    assert start["session_start"]["session_name"] == "openai_agents_session"
    details = start["session_start"]["metadata"]
    assert details["framework"] == "openai_agents"
    assert details["first_agent_id"] == "Assistant"
    assert details["started_at"].endswith("Z")
    end = only(events, "SESSION_END")
    assert end["session_end"]["metadata"]["runs"] == 1
    assert end["span_id"] == start["span_id"]


def test_a_session_can_be_ended_by_the_integration() -> None:
    with capture_events() as events:
        scenarios.answer(Mode.RUN)
        wrapper = OpenAIAgentsEnhancedWrapper(chaukas.sdk._runtime.active())
        assert wrapper._end_session() is True
        assert len(named(events(), "SESSION_END")) == 1


def test_agent_events() -> None:
    events = events_of(lambda: scenarios.parallel_tools(Mode.RUN))
    start, end = only(events, "AGENT_START"), only(events, "AGENT_END")
    assert start["metadata"]["tools"] == ["plus", "times"]
    assert start["status"] == "EVENT_STATUS_STARTED"
    assert end["metadata"]["turns"] == 2
    assert end["metadata"]["output"] == "5 and 6"
    assert end["status"] == "EVENT_STATUS_COMPLETED"


def test_agent_handoff() -> None:
    told = only(events_of(lambda: scenarios.handoff(Mode.RUN)), "AGENT_HANDOFF")
    handoff = told["agent_handoff"]
    assert (handoff["from_agent_name"], handoff["to_agent_name"]) == ("Clerk", "Expert")


@in_loop
def test_model_invocation_events(mode: Mode) -> None:
    script = [Text("Hello there")]
    events = events_of(lambda: run_served(script, mode, host="api.openai.com"))
    start = only(events, "MODEL_INVOCATION_START")["llm_invocation"]
    assert (start["provider"], start["model"]) == ("openai", "gpt-5")
    end = only(events, "MODEL_INVOCATION_END")
    assert end["llm_invocation"]["response"] == {"text": "Hello there"}
    assert end["llm_invocation"]["finish_reason"] == "stop"
    assert end["llm_invocation"]["total_tokens"] == 16
    assert end["cost"]["total_cost"] > 0


@modes
def test_tool_call_events(mode: Mode) -> None:
    @function_tool
    def web_search(query: str) -> str:
        return f"3 results for {query}"

    agent = assistant(
        calls(("web_search", {"query": "latest AI news"})),
        say("Done"),
        tools=[web_search],
    )
    events = events_of(lambda: play(mode, agent))
    assert only(events, "TOOL_CALL_START")["tool_call"] == {
        "tool_name": "web_search",
        "tool_id": "call_1",
        "arguments": {"query": "latest AI news"},
        "metadata": {
            "requested_by": "ScriptedModel",
            "tool_type": "function",
            "turn": 1,
        },
    }
    end = only(events, "TOOL_CALL_END")["tool_response"]
    assert end["output"] == {"output": "3 results for latest AI news"}
    assert end["execution_time_ms"] > 0


@in_loop
@pytest.mark.parametrize("is_approved", [True, False])
def test_tool_call_events_of_a_shell(is_approved: bool, mode: Mode) -> None:
    def run(_request: Any) -> str:
        raise OSError("no shell here")

    tool = ShellTool(
        run, needs_approval=True, on_approval=lambda *_: {"approve": is_approved}
    )
    call = {
        "type": "shell_call",
        "id": "s1",
        "call_id": "call_1",
        "status": "completed",
        "action": {"commands": ["ls"]},
    }
    script = [Hosted([call]), Text("Done")]
    events = events_of(lambda: run_served(script, mode, tools=[tool]))
    outcome = only(events, "POLICY_DECISION")["policy"]["outcome"]
    assert outcome == ("allow" if is_approved else "deny")
    ends = named(events, "TOOL_CALL_END")
    assert [end["status"] for end in ends] == ["EVENT_STATUS_FAILED"] * is_approved


def test_input_received_and_output_emitted() -> None:
    events = events_of(lambda: scenarios.answer(Mode.RUN))
    given = only(events, "INPUT_RECEIVED")
    assert given["message"] == {"role": "user", "text": "Hi"}
    assert given["author"] == "AUTHOR_USER"
    made = only(events, "OUTPUT_EMITTED")
    assert made["message"] == {"role": "assistant", "text": "Hello"}
    assert made["is_final"] is True


@in_loop
def test_error(mode: Mode) -> None:
    events = events_of(lambda: scenarios.failing_tool(mode))
    error = only(events, "ERROR")
    assert error["error"]["error_message"] == "no such file"
    assert error["error"]["error_code"] == "ValueError"
    assert error["error"]["recoverable"] is True
    assert error["severity"] == "SEVERITY_ERROR"
    assert error["parent_span_id"] == only(events, "TOOL_CALL_START")["span_id"]


@in_loop
def test_retry(mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai._base_client, "INITIAL_RETRY_DELAY", 0.001)
    fail = Fail(429, code="rate_limit_exceeded", message="Rate limit exceeded")
    events = events_of(lambda: run_served([fail, Text("Hello")], mode))
    retry = only(events, "RETRY")
    assert retry["retry"]["attempt"] == 1
    assert retry["retry"]["max_attempts"] == 2
    assert retry["retry"]["strategy"] == "exponential"
    assert retry["retry"]["retryable"] is True
    assert retry["retry"]["metadata"]["model"] == "gpt-5"
    assert retry["retry"]["metadata"]["status"] == 429
    assert retry["severity"] == "SEVERITY_WARN"


def test_retry_by_a_loop_of_the_application() -> None:
    agent = assistant(TimeoutError("rate limit"), say("Hello"))

    async def story() -> None:
        try:
            await Runner.run(agent, "Hi")
        except TimeoutError:
            await Runner.run(agent, "Hi")

    retry = only(events_of(story), "RETRY")["retry"]
    assert retry["attempt"] == 1
    assert retry["metadata"] == {
        "layer": "application",
        "error_code": "TimeoutError",
        "model": "ScriptedModel",
    }


@in_loop
def test_policy_decision(mode: Mode) -> None:
    events = events_of(lambda: scenarios.blocking_guardrail(mode))
    policy = only(events, "POLICY_DECISION")
    assert policy["policy"]["policy_id"] == "no_secrets"
    assert policy["policy"]["outcome"] == "deny"
    assert policy["policy"]["rationale"] == "checked"


@in_loop
def test_policy_decision_by_a_content_filter(mode: Mode) -> None:
    events = events_of(lambda: run_served([Incomplete("content_filter", "x")], mode))
    assert only(events, "POLICY_DECISION")["policy"]["policy_id"] == "content_filter"


@in_loop
@pytest.mark.parametrize("is_safe", [True, False])
def test_policy_decision_about_a_computer(is_safe: bool, mode: Mode) -> None:
    from tests.integrations.test_openai_agents_tools import Screen

    call = {
        "type": "computer_call",
        "id": "c1",
        "call_id": "call_1",
        "status": "completed",
        "action": {"type": "screenshot"},
        "pending_safety_checks": [{"id": "k1", "code": "odd", "message": "odd page"}],
    }
    tool = ComputerTool(Screen(), on_safety_check=lambda _data: is_safe)
    script = [Hosted([call]), Text("Done")]
    events = events_of(lambda: run_served(script, mode, tools=[tool]))
    outcome = only(events, "POLICY_DECISION")["policy"]["outcome"]
    assert outcome == ("allow" if is_safe else "deny")


def test_policy_decision_by_a_person() -> None:
    @function_tool(needs_approval=True)
    def pay() -> str:
        return "paid"

    def story() -> Any:
        agent = assistant(calls(("pay", {})), say("Paid"), tools=[pay])
        state = play(Mode.RUN, agent).to_state()
        state.approve(state.get_interruptions()[0])
        return play(Mode.RUN, agent, state)

    outcomes = [
        event["policy"]["outcome"]
        for event in named(events_of(story), "POLICY_DECISION")
    ]
    assert outcomes == ["review", "allow"]


def test_data_access() -> None:
    agent = assistant(calls(("add", {"a": 1, "b": 2})), say("3"), tools=[add])
    events = events_of(lambda: play(Mode.RUN, agent), data_access_tools=["add"])
    assert only(events, "DATA_ACCESS")["data_access"]["datasource"] == "add"


def test_state_update() -> None:
    def story() -> None:
        agent = assistant(say("one"), say("two"))
        play(Mode.RUN, agent)
        agent.instructions = "Be someone else."
        play(Mode.RUN, agent)

    update = only(events_of(story), "STATE_UPDATE")["state_update"]
    assert set(update["agent"]) == {"instructions_hash"}


def test_system() -> None:
    events = events_of(lambda: scenarios.answer(Mode.RUN))
    first, *_, last = named(events, "SYSTEM")
    assert first["metadata"]["name"] == "chaukas.enabled"
    hooks = first["metadata"]["data"]["integrations"]["openai_agents"]["hooks"]
    # What the application has not imported is patched when it does.
    assert set(hooks) <= {"active", "waiting"}
    assert last["metadata"]["name"] == "chaukas.disabled"


@in_loop
def test_cancelled_ends(mode: Mode) -> None:
    begun = asyncio.Event()

    async def never(_call: Any) -> Any:
        begun.set()
        await asyncio.Event().wait()

    async def story() -> None:
        run = asyncio.create_task(run_in(mode, assistant({"responder": never})))
        await begun.wait()
        run.cancel()
        await asyncio.wait([run])

    events = events_of(story)
    for kind in ("AGENT_END", "MODEL_INVOCATION_END"):
        assert only(events, kind)["status"] == "EVENT_STATUS_CANCELLED"
    assert not named(events, "ERROR")


@in_loop
def test_hidden_content(mode: Mode) -> None:
    script = [ToolCalls(Call("add", {"a": 1, "b": 2})), Text("It is three")]
    events = events_of(
        lambda: run_served(
            script, mode, tools=[add], run={"conversation_id": "conv_1"}
        ),
        capture_content=False,
    )
    assert "three" not in str(events)
    request = named(events, "MODEL_INVOCATION_START")[0]["llm_invocation"]["request"]
    assert request["tools"] == ["add"]


# -- models that the application calls itself ---------------------------------------


@in_loop
@pytest.mark.parametrize("is_broken", [False, True])
def test_model_invocation_events_without_an_agent(is_broken: bool, mode: Mode) -> None:
    step = RuntimeError("no memory") if is_broken else say("Hello")
    events = events_of(lambda: call_alone(Upper(step), mode))
    end = only(events, "MODEL_INVOCATION_END")
    assert end["parent_span_id"] == only(events, "SESSION_START")["span_id"]
    assert len(named(events, "ERROR")) == int(is_broken)


@in_loop
def test_model_invocation_events_inside_a_tool(mode: Mode) -> None:
    @function_tool
    async def ask() -> str:
        await call_alone(Early(say("yes")), mode)
        return "yes"

    agent = assistant(calls(("ask", {})), say("Yes"), tools=[ask])
    events = events_of(lambda: run_in(mode, agent))
    tool = only(events, "TOOL_CALL_START")["span_id"]
    parents = [e["parent_span_id"] for e in named(events, "MODEL_INVOCATION_START")]
    assert parents.count(tool) == 1


@pytest.mark.parametrize(
    "leave", [lambda stream: stream.aclose(), lambda _stream: asyncio.sleep(0)]
)
def test_model_invocation_events_of_a_stream_left_early(
    leave: Callable[[Any], Any],
) -> None:
    async def story() -> None:
        stream = streamed_alone(ScriptedModel([say("Hello")]))
        await stream.__anext__()
        await leave(stream)
        del stream
        gc.collect()
        await asyncio.sleep(0)

    end = only(events_of(story), "MODEL_INVOCATION_END")
    assert end["status"] == "EVENT_STATUS_CANCELLED"


# -- unusual runs -------------------------------------------------------------------


@modes
@pytest.mark.parametrize("runner", [Calling, Delegating])
def test_one_run_of_a_runner_of_the_application(
    runner: type[AgentRunner], mode: Mode
) -> None:
    set_default_agent_runner(runner())
    events = events_of(lambda: scenarios.answer(mode))
    assert len(named(events, "AGENT_START")) == 1


@pytest.mark.parametrize("trips", [True, False])
def test_output_is_taken_back_by_a_guardrail_that_is_late(trips: bool) -> None:
    answered = asyncio.Event()

    def note(_call: Any) -> Any:
        answered.set()
        return say("Hello")

    async def late(_context: Any, _agent: Any, _input: Any) -> GuardrailFunctionOutput:
        await answered.wait()
        for _ in range(20):
            await asyncio.sleep(0)
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered=trips)

    agent = assistant({"responder": note})
    agent.input_guardrails = [InputGuardrail(late)]
    events = events_of(lambda: run_in(Mode.STREAMED, agent))
    assert len(named(events, "OUTPUT_EMITTED")) == int(not trips)


def test_error_of_a_stream_that_nobody_reads() -> None:
    async def story() -> None:
        agent = assistant(calls(("add", {"a": 1, "b": 2})), tools=[add])
        await Runner.run_streamed(agent, "Hi", max_turns=1).run_loop_task

    error = only(events_of(story), "ERROR")["error"]
    assert error["error_code"] == "MaxTurnsExceeded"


def test_agent_end_of_a_stream_cancelled_after_its_turn() -> None:
    async def story() -> None:
        agent = assistant(calls(("add", {"a": 1, "b": 2})), say("3"), tools=[add])
        stream = Runner.run_streamed(agent, "Hi")
        async for _ in stream.stream_events():
            stream.cancel("after_turn")

    end = only(events_of(story), "AGENT_END")
    assert end["status"] == "EVENT_STATUS_CANCELLED"


@in_loop
@pytest.mark.parametrize(
    "reply", [Failed("server_error", "broke"), StreamBreak(after_deltas=1)]
)
def test_error_of_an_answer_that_breaks(reply: Any, mode: Mode) -> None:
    events = events_of(lambda: run_served([reply], mode, client={"max_retries": 0}))
    assert (
        only(events, "ERROR")["parent_span_id"]
        == (only(events, "MODEL_INVOCATION_START")["span_id"])
    )


@in_loop
def test_error_of_a_call_that_takes_too_long(mode: Mode) -> None:
    async def never(_call: Any) -> Any:
        await asyncio.Event().wait()

    settings = ModelSettings(timeout=0.01)
    agent = assistant({"responder": never}, model_settings=settings)
    error = only(events_of(lambda: run_in(mode, agent)), "ERROR")
    assert error["error"]["error_code"] == "ModelTimeoutError"


@in_loop
def test_error_of_an_answer_that_the_sdk_hides(mode: Mode) -> None:
    agent = assistant(say("not a number"), output_type=int)
    error = only(events_of(lambda: run_in(mode, agent)), "ERROR")["error"]
    assert error["error_message"] == (
        "Invalid JSON when parsing model output. Error details are hidden by the SDK."
    )


def test_error_of_a_run_that_cannot_start() -> None:
    agent = assistant(say("Hello"))
    events = events_of(lambda: run_in(Mode.STREAMED, agent, run_config=3))
    assert len(named(events, "ERROR")) == 1


@in_loop
@pytest.mark.parametrize(
    ("options", "session_id"),
    [
        ({"run_config": {"group_id": "chat-1"}}, "chat-1"),
        ({"conversation_id": "conv-1"}, "conv-1"),
        ({"session": SQLiteSession("sql-1")}, "sql-1"),
    ],
)
def test_session_events_name_the_session_of_the_run(
    options: dict[str, Any], session_id: str, mode: Mode
) -> None:
    events = events_of(lambda: run_in(mode, assistant(say("Hello")), **options))
    assert only(events, "SESSION_START")["session_id"] == session_id


def test_input_received_keeps_what_is_no_text() -> None:
    image = {"type": "input_image", "image_url": "https://x.test/cat.png"}
    text = {"type": "input_text", "text": "What is it?"}
    given = [{"role": "user", "content": [text, image]}]
    events = events_of(lambda: run_in(Mode.RUN, assistant(say("A cat")), given))
    told = only(events, "INPUT_RECEIVED")["message"]["text"]
    assert "What is it?" in told
    assert "cat.png" in told


def test_tool_call_end_of_a_patch_that_did_not_apply() -> None:
    def refuse(_operation: Any) -> ApplyPatchResult:
        return ApplyPatchResult(status="failed", output="does not apply")

    editor = _item(create_file=refuse, update_file=refuse, delete_file=refuse)
    call = {
        "type": "apply_patch_call",
        "id": "p1",
        "call_id": "call_1",
        "status": "completed",
        "operation": {"type": "update_file", "path": "a.md", "diff": "-a\n+b\n"},
    }
    tool = ApplyPatchTool(editor)
    script = [Hosted([call]), Text("Oh")]
    events = events_of(lambda: run_served(script, tools=[tool]))
    end = only(events, "TOOL_CALL_END")
    assert end["status"] == "EVENT_STATUS_FAILED"
    assert end["tool_response"]["error_message"] == "does not apply"
    assert only(events, "ERROR")["error"]["error_code"] == "ToolFailed"


def test_tool_call_end_of_a_tool_that_raises_a_timeout() -> None:
    @function_tool(timeout=0.01, timeout_behavior="raise_exception")
    async def wait_for_ever() -> str:
        await asyncio.Event().wait()
        return "never"

    agent = assistant(calls(("wait_for_ever", {})), tools=[wait_for_ever])
    events = events_of(lambda: run_in(Mode.RUN, agent))
    assert only(events, "TOOL_CALL_END")["status"] == "EVENT_STATUS_FAILED"


# -- without the hook points of this release ----------------------------------------


@in_loop
@pytest.mark.parametrize("hidden", [_MODEL, (_EXECUTOR,), (_HANDOFF,), _RUN])
def test_events_where_hook_points_are_missing(
    hidden: tuple[str, ...], mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    _hide(monkeypatch, *hidden)
    recorded = record(lambda: run_in(mode, _agents()))
    assert recorded.error is None
    assert recorded.value.final_output == "done"
    first = named(recorded.events, "SYSTEM")[0]
    hooks = first["metadata"]["data"]["integrations"]["openai_agents"]["hooks"]
    assert set(hidden) & {*hooks["fallback"], *hooks.get("missing", ())}
    kinds = {event["type"] for event in recorded.events}
    assert "EVENT_TYPE_AGENT_END" in kinds


# -- when chaukas itself is broken --------------------------------------------------


def _raise(*_args: Any, **_kwargs: Any) -> Any:
    raise RuntimeError("chaukas is broken")


BREAKABLE = (
    (Recorder, "capture"),
    (Recorder, "error"),
    (Recorder, "is_reported"),
    (Recorder, "monotonic_ms_since"),
    (Recorder, "emit"),
    (EventPairManager, "start"),
    (EventPairManager, "end"),
    (SessionBook, "enter"),
    (SessionBook, "leave"),
)


@in_loop
@pytest.mark.parametrize(
    ("owner", "name"), BREAKABLE, ids=[f"{o.__name__}.{n}" for o, n in BREAKABLE]
)
def test_an_error_of_chaukas_never_reaches_the_host(
    owner: type, name: str, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CHAUKAS_RAISE_INTERNAL")
    with capture_events(), monkeypatch.context() as broken:
        broken.setattr(owner, name, _raise)
        seen = [_seen_by_host(scenario, mode) for scenario in scenarios.SCENARIOS]
    assert seen == _seen_by_bare_host(mode)


def _seen_by_host(scenario: Callable[[Mode], Any], mode: Mode) -> Any:
    value, error = outcome_of(lambda: scenario(mode))
    output = getattr(value, "final_output", None)
    return scenario.__name__, type(value), output, type(error), str(error)


@cache
def _seen_by_bare_host(mode: Mode) -> list[Any]:
    return [_seen_by_host(scenario, mode) for scenario in scenarios.SCENARIOS]


# -- reading the SDK's objects ------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "name", "provider"),
    [
        ("gpt-5", "gpt-5", "str"),
        (_item(model="vendor/large"), "vendor/large", "vendor"),
        (
            _item(model="openai/large", base_url="http://127.0.0.1:1/v1"),
            "openai/large",
            "openai_compatible",
        ),
        (
            _item(model="openai/large", base_url="https://llm.acme.example/v1"),
            "openai/large",
            "llm.acme.example",
        ),
        (
            _item(model="vendor/large", base_url="https://proxy.acme.example"),
            "vendor/large",
            "vendor",
        ),
        (_item(model=3), "SimpleNamespace", "SimpleNamespace"),
        (_item(model="m", _client=_item(base_url=_item(host=""))), "m", None),
    ],
)
def test_a_model_is_named_by_what_it_says_of_itself(
    model: Any, name: str, provider: str | None
) -> None:
    assert _extract.model_name_of(model) == name
    assert _extract.provider_of(model) == (provider or type(model).__name__)


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("api.openai.com", "openai"),
        ("acme.openai.azure.com", "azure"),
        ("API.OpenAI.com.", "openai"),
        ("notapi.openai.com", "notapi.openai.com"),
        ("localhost", "openai_compatible"),
        ("127.0.0.1", "openai_compatible"),
        ("10.1.2.3", "openai_compatible"),
        ("::1", "openai_compatible"),
        ("vllm", "openai_compatible"),
        ("models.acme.example", "models.acme.example"),
    ],
)
def test_a_provider_is_named_by_its_host(host: str, provider: str) -> None:
    model = _item(model="m", _client=_item(base_url=_item(host=host)))
    assert _extract.provider_of(model) == provider


def test_usage_is_read_only_where_it_is_whole_numbers() -> None:
    assert read_usage.usage_of(_item()) == read_usage.Usage()
    usage = _item(input_tokens=3, output_tokens="4", total_tokens=True, requests=2)
    assert read_usage.usage_of(_item(usage=usage)) == read_usage.Usage(
        input_tokens=3, requests=2
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Hi", ["Hi"]),
        (None, []),
        ([{"role": "system", "content": "x"}, {"role": "user", "content": "y"}], ["y"]),
        ([{"role": "user", "content": "y"}, {"type": "function_call_output"}], []),
        (["text", {"role": "user", "content": "y"}], ["y"]),
    ],
)
def test_the_new_items_of_a_user_stand_behind_the_last_answer(
    given: Any, expected: list[str]
) -> None:
    found = _extract.new_user_items(given)
    assert [x if type(x) is str else x["content"] for x in found] == expected


@pytest.mark.parametrize(
    ("text", "arguments"),
    [("", {}), ('{"a":1}', {"a": 1}), ("{", "{"), (None, None), ("x" * 70_000, None)],
)
def test_arguments_are_read_as_json_where_they_are(text: Any, arguments: Any) -> None:
    expected = text if text and len(text) > 100 else arguments
    assert _extract.arguments_of(text) == expected


def test_a_response_tells_its_parts() -> None:
    output = [
        {"type": "message", "content": "plain"},
        _item(type="message", content=[_item(type="refusal", refusal="no")]),
        {"type": "custom_tool_call", "call_id": "c1", "name": "calc", "input": "1+1"},
        {"type": "web_search_call"},
        {"type": "reasoning", "summary": None},
    ]
    facts = _extract.response_facts(output)
    assert facts == {
        "text": "plain",
        "refusal": "no",
        "tool_calls": [{"id": "c1", "name": "calc", "arguments": "1+1"}],
        "items": ["web_search_call"],
    }
    assert _extract.response_facts(None) == {}
    completed = _item(status="completed")
    assert _extract.finish_reason_of(facts, completed) == "refusal"


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (_item(status="incomplete", incomplete_details=None), "incomplete"),
        (_item(status="incomplete", incomplete_details=_item(reason="x")), "x"),
        (_item(status="failed"), "failed"),
        (_item(status="completed"), "stop"),
        (_item(status="in_progress"), ""),
        (None, ""),
    ],
)
def test_a_response_tells_why_it_ended(response: Any, reason: str) -> None:
    assert _extract.finish_reason_of({}, response) == reason


def test_an_agent_of_unusual_shape_is_described_by_what_can_be_read() -> None:
    agent = _item(
        name="",
        instructions=len,
        tools=(),
        handoffs=[_item(agent_name="B")],
        output_type=_item(),
        mcp_servers=[object()],
    )
    assert _extract.agent_ref(agent).name == "agent"
    assert _extract.agent_facts(agent, None) == {
        "instructions_dynamic": True,
        "handoffs": ["B"],
        "output_type": "SimpleNamespace",
        "mcp_servers": ["object"],
    }
