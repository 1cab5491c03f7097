"""
What events say: each field of the content table, from runs over real HTTP.

The tree tells that something happened; only its fields tell what.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from agents import (
    GuardrailFunctionOutput,
    InputGuardrail,
    ModelSettings,
    RunConfig,
    ToolGuardrailFunctionOutput,
    function_tool,
    handoff,
    tool_output_guardrail,
)
from pydantic import BaseModel

from loopback import Call, Reasoning, Text, ToolCalls, Usage
from tests.support import scenarios
from tests.support.agent_runs import Mode, calls, in_loop, play, record, run_in, say
from tests.support.scenarios import add, assistant
from tests.support.served import run_served
from tests.support.trees import named, only, tree_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.sdk.typing import Event


_PASSWORD = "correct-horse-battery"
_KEY = "sk-" + "abcdefghijklmnopqrstuvwx" * 2


class City(BaseModel):
    """An answer with a shape."""

    city: str
    people: int


@function_tool
def log_in(user: str, password: str) -> str:
    """Log in."""
    return f"Welcome {user}, your key is {_KEY}"


@function_tool
def break_in(user: str, password: str) -> str:
    """Fail, and tell too much."""
    raise ValueError(f"{user} cannot log in with {_KEY}")


_SETTINGS = ModelSettings(
    temperature=0.5,
    top_p=0.25,
    max_tokens=99,
    frequency_penalty=0.125,
    presence_penalty=0.75,
    tool_choice="auto",
    extra_headers={"x-own-header": "own-header-value"},
)


def _rich_run(mode: Mode, **run: Any) -> Any:
    credentials = {"user": "bob", "password": _PASSWORD}
    script = [
        Reasoning(
            "Let me think",
            ToolCalls(
                Call("log_in", credentials, "call_a"), usage=Usage(100, 20, 40, 5, 7)
            ),
        ),
        Text('{"city":"Rome","people":3}', usage=Usage(200, 30, 50)),
    ]
    return run_served(
        script,
        mode,
        run=run,
        host="api.openai.com",
        instructions="Be brief",
        tools=[log_in],
        output_type=City,
        model_settings=_SETTINGS,
        prompt={"id": "pmpt_1", "version": "3", "variables": {"tone": "kind"}},
    )


@pytest.fixture(params=[Mode.RUN, Mode.STREAMED], ids=lambda mode: mode.value)
def rich(request: pytest.FixtureRequest) -> list[Event]:
    """Events of a run with a tool, settings, a prompt and a structured answer."""
    return record(lambda: _rich_run(request.param)).events


# -- agents -------------------------------------------------------------------------


def test_an_agent_is_described_at_its_start(rich: list[Event]) -> None:
    facts = only(rich, "AGENT_START")["metadata"]
    assert facts["model"] == "gpt-5"
    assert facts["instructions"] == "Be brief"
    assert len(facts["instructions_hash"]) == 16
    assert facts["tools"] == ["log_in"]
    assert facts["output_type"] == "City"


def test_an_agent_ends_with_output_turns_and_usage(rich: list[Event]) -> None:
    end = only(rich, "AGENT_END")
    assert json.loads(end["metadata"]["output"]) == {"city": "Rome", "people": 3}
    assert end["metadata"]["turns"] == 2
    assert end["metadata"]["usage"] == {
        "input_tokens": 300,
        "output_tokens": 50,
        "total_tokens": 350,
        "cached_tokens": 90,
        "cache_write_tokens": 5,
        "reasoning_tokens": 7,
        "requests": 2,
    }
    assert end["performance"]["duration_ms"] > 0
    assert end["status"] == "EVENT_STATUS_COMPLETED"


def test_dynamic_instructions_are_told_by_the_model_call() -> None:
    agent = assistant(say("Hi"), instructions=lambda _context, _agent: "Be kind")
    events = record(lambda: play(Mode.RUN, agent)).events
    assert only(events, "AGENT_START")["metadata"]["instructions_dynamic"] is True
    request = only(events, "MODEL_INVOCATION_START")["llm_invocation"]["request"]
    assert request["system"] == "Be kind"


def test_each_agent_of_a_run_counts_its_own_turns_and_tokens() -> None:
    def usage(tokens: int) -> Any:
        from agents.usage import Usage as Counted

        return Counted(
            requests=1, input_tokens=tokens, output_tokens=1, total_tokens=tokens + 1
        )

    expert = assistant(name="Expert")
    expert.model.enqueue({"output": say("Solved"), "usage": usage(20)})
    clerk = assistant(name="Clerk", handoffs=[expert])
    clerk.model.enqueue(
        {"output": calls(("transfer_to_expert", {})), "usage": usage(10)}
    )
    events = record(lambda: play(Mode.RUN, clerk)).events
    first, second = named(events, "AGENT_END")
    assert first["metadata"]["usage"]["input_tokens"] == 10
    assert first["metadata"]["handoff_to"] == "Expert"
    assert second["metadata"]["usage"]["input_tokens"] == 20
    assert first["metadata"]["turns"] == second["metadata"]["turns"] == 1


# -- models -------------------------------------------------------------------------


def test_a_model_call_tells_what_was_asked(rich: list[Event]) -> None:
    first, second = (
        event["llm_invocation"] for event in named(rich, "MODEL_INVOCATION_START")
    )
    assert {name: first[name] for name in first if name != "request"} == {
        "provider": "openai",
        "model": "gpt-5",
        "metadata": {"turn": 1, "api": "responses"},
        "temperature": 0.5,
        "top_p": 0.25,
        "max_tokens": 99,
        # The penalties are no settings of this API: the SDK does not send them.
    }
    request = first["request"]
    assert request["system"] == "Be brief"
    assert request["input"] == [{"content": "Hi", "role": "user"}]
    assert request["input_count"] == 1
    assert request["tools"] == ["log_in"]
    assert request["output_schema"] == "City"
    assert request["settings"]["tool_choice"] == "auto"
    assert request["prompt"] == {
        "id": "pmpt_1",
        "version": "3",
        "variables": {"tone": "kind"},
    }
    # What was told once is not told again.
    again = second["request"]
    assert "system" not in again
    assert again["system_hash"] == request["system_hash"]
    assert again["input_omitted"] == 1
    assert [item["type"] for item in again["input"]] == [
        "reasoning",
        "function_call",
        "function_call_output",
    ]


def test_a_model_call_tells_what_was_answered(rich: list[Event]) -> None:
    events = named(rich, "MODEL_INVOCATION_END")
    first, second = (event["llm_invocation"] for event in events)
    assert [event["response_id"] for event in events] == ["resp_1", "resp_2"]
    assert first["finish_reason"] == "tool_calls"
    assert second["finish_reason"] == "stop"
    assert first["response"]["reasoning"] == "Let me think"
    (call,) = first["response"]["tool_calls"]
    assert (call["id"], call["name"]) == ("call_a", "log_in")
    assert second["response"]["text"] == '{"city":"Rome","people":3}'
    counts = {name: first[name] for name in first if name.endswith("_tokens")}
    assert counts == {
        "max_tokens": 99,
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 120,
        "cached_tokens": 40,
        "cache_write_tokens": 5,
        "reasoning_tokens": 7,
    }
    assert first["duration_ms"] > 0


def test_a_known_model_has_its_cost_and_an_unknown_none(rich: list[Event]) -> None:
    cost = named(rich, "MODEL_INVOCATION_END")[0]["cost"]
    assert cost["currency"] == "USD"
    assert cost["input_tokens"] == 100
    assert cost["output_tokens"] == 20
    assert cost["total_cost"] == pytest.approx(cost["input_cost"] + cost["output_cost"])
    events = record(lambda: scenarios.answer(Mode.RUN)).events
    ended = only(events, "MODEL_INVOCATION_END")
    assert "cost" not in ended
    assert ended["llm_invocation"]["metadata"]["price"] == "unknown"


def test_headers_of_the_request_are_never_read(rich: list[Event]) -> None:
    assert "own-header-value" not in json.dumps(rich)


@in_loop
def test_a_conversation_of_the_server_is_named(mode: Mode) -> None:
    script = [Text("Hello")]
    options = {"previous_response_id": "resp_0"}
    events = record(lambda: run_served(script, mode, run=options)).events
    request = only(events, "MODEL_INVOCATION_START")["llm_invocation"]["request"]
    assert request["previous_response_id"] == "resp_0"
    options = {"conversation_id": "conv_1"}
    events = record(lambda: run_served(script, mode, run=options)).events
    started = only(events, "MODEL_INVOCATION_START")
    assert started["llm_invocation"]["request"]["conversation_id"] == "conv_1"
    assert started["session_id"] == "conv_1"


# -- tools --------------------------------------------------------------------------


def test_a_tool_call_tells_who_asked_for_what_and_what_came(rich: list[Event]) -> None:
    start = only(rich, "TOOL_CALL_START")["tool_call"]
    assert start["tool_id"] == "call_a"
    assert start["tool_name"] == "log_in"
    assert start["arguments"]["user"] == "bob"
    assert start["metadata"] == {
        "requested_by": "gpt-5",
        "tool_type": "function",
        "turn": 1,
    }
    end = only(rich, "TOOL_CALL_END")["tool_response"]
    assert end["tool_call_id"] == "call_a"
    assert end["tool_name"] == "log_in"
    assert end["output"]["output"].startswith("Welcome bob")
    assert end["execution_time_ms"] > 0


def test_secrets_in_arguments_and_results_are_hidden(rich: list[Event]) -> None:
    text = json.dumps(rich)
    assert _PASSWORD not in text
    assert _KEY not in text
    start, end = only(rich, "TOOL_CALL_START"), only(rich, "TOOL_CALL_END")
    assert start["redaction"]["fields"] == ["tool_call.arguments.password"]
    assert end["redaction"]["fields"] == ["tool_response.output.output"]


@in_loop
def test_secrets_in_errors_are_hidden(mode: Mode) -> None:
    credentials = {"user": "bob", "password": _PASSWORD}
    agent = assistant(calls(("break_in", credentials)), say("No"), tools=[break_in])
    events = record(lambda: run_in(mode, agent)).events
    text = json.dumps(events)
    assert _PASSWORD not in text
    assert _KEY not in text
    error = only(events, "ERROR")["error"]
    assert error["error_message"].startswith("bob cannot log in with [")
    assert error["recovery_action"] == "returned to the model as a result"


def test_arguments_that_are_no_json_are_told_as_they_are() -> None:
    agent = assistant(calls(("add", "{broken")), say("Oh"), tools=[add])
    events = record(lambda: play(Mode.RUN, agent)).events
    tree_of(events)
    call = named(events, "TOOL_CALL_START")
    assert call[0]["tool_call"]["arguments"] == {"input": "{broken"}


def test_a_tool_that_is_an_agent_is_told_so() -> None:
    events = record(lambda: scenarios.agent_as_tool(Mode.RUN)).events
    types = {
        event["tool_call"]["tool_name"]: event["tool_call"]["metadata"]["tool_type"]
        for event in named(events, "TOOL_CALL_START")
    }
    assert types == {"calculate": "agent_as_tool", "add": "function"}


# -- handoffs, input and output -----------------------------------------------------


@in_loop
def test_a_handoff_tells_from_to_why_and_with_what(mode: Mode) -> None:
    class Reason(BaseModel):
        why: str

    def noted(_context: Any, _reason: Reason) -> None: ...

    expert = assistant(say("Solved"), name="Expert")
    other = assistant(name="Other")
    clerk = assistant(
        calls(("transfer_to_expert", {"why": "too hard"}), ("transfer_to_other", {})),
        name="Clerk",
        handoffs=[
            handoff(
                expert,
                on_handoff=noted,
                input_type=Reason,
                input_filter=lambda data: data,
            ),
            other,
        ],
    )
    events = record(lambda: run_in(mode, clerk)).events
    start = named(events, "AGENT_START")[0]
    assert start["metadata"]["handoffs"] == ["Expert", "Other"]
    assert only(events, "AGENT_HANDOFF")["agent_handoff"] == {
        "from_agent_id": "Clerk",
        "from_agent_name": "Clerk",
        "to_agent_id": "Expert",
        "to_agent_name": "Expert",
        "reason": "transfer_to_expert",
        "handoff_type": "sequential",
        "handoff_data": {
            "arguments": {"why": "too hard"},
            "tool_call_id": "call_1",
            "input_filtered": True,
            "ignored_handoffs": ["Other"],
        },
    }


@in_loop
def test_each_new_item_of_the_user_is_an_input(mode: Mode) -> None:
    given = [
        {"role": "user", "content": "old"},
        {"role": "assistant", "content": "older answer"},
        {"role": "user", "content": "new"},
        {"role": "user", "content": [{"type": "input_text", "text": "newer"}]},
    ]
    agent = assistant(say("Hello"))
    events = record(lambda: run_in(mode, agent, given)).events
    texts = [event["message"]["text"] for event in named(events, "INPUT_RECEIVED")]
    assert texts == ["new", "newer"]
    assert {e["message"]["role"] for e in named(events, "INPUT_RECEIVED")} == {"user"}


def test_a_structured_output_is_json(rich: list[Event]) -> None:
    message = only(rich, "OUTPUT_EMITTED")["message"]
    assert json.loads(message["text"]) == {"city": "Rome", "people": 3}
    assert message["metadata"] == {"output_type": "City"}
    assert message["role"] == "assistant"
    assert only(rich, "OUTPUT_EMITTED")["is_final"] is True


# -- errors and decisions -----------------------------------------------------------


def test_an_error_tells_where_it_happened_unless_asked_not_to() -> None:
    def story() -> Any:
        return scenarios.raising_tool(Mode.RUN)

    error = only(record(story).events, "ERROR")["error"]
    assert error["error_message"] == "no such file"
    assert error["error_code"] == "ValueError"
    assert "scenarios.py" in error["stack_trace"]
    assert "recoverable" not in error
    quiet = record(story, capture_stack_traces=False).events
    assert "stack_trace" not in only(quiet, "ERROR")["error"]


@in_loop
def test_a_guardrail_tells_its_verdict_and_why(mode: Mode) -> None:
    def verdict(_context: Any, _agent: Any, _input: Any) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(
            output_info={"score": 0.5, "password": _PASSWORD}, tripwire_triggered=False
        )

    agent = assistant(say("Hello"))
    agent.input_guardrails = [InputGuardrail(verdict, name="Homework check")]
    policy = only(record(lambda: run_in(mode, agent)).events, "POLICY_DECISION")
    assert policy["policy"]["policy_id"] == "Homework check"
    assert policy["policy"]["outcome"] == "allow"
    assert policy["policy"]["metadata"] == {"kind": "InputGuardrail"}
    assert json.loads(policy["policy"]["rationale"])["score"] == 0.5
    assert _PASSWORD not in json.dumps(policy)


def test_a_tool_guardrail_tells_which_call_it_stopped() -> None:
    events = record(lambda: scenarios.tool_input_guardrail(Mode.RUN)).events
    policy = only(events, "POLICY_DECISION")["policy"]
    assert policy["metadata"] == {
        "kind": "ToolInputGuardrail",
        "behavior": "reject_content",
        "tool_name": "double",
        "tool_call_id": "call_1",
        "message": "too large",
    }
    assert policy["rationale"] == "over 10"


@in_loop
def test_a_guardrail_of_a_tools_output_tells_the_tool_and_what_the_model_is_told(
    mode: Mode,
) -> None:
    @tool_output_guardrail(name="no names")
    def names(_data: Any) -> ToolGuardrailFunctionOutput:
        return ToolGuardrailFunctionOutput.reject_content("a name was left out")

    @function_tool(tool_output_guardrails=[names])
    def who() -> str:
        return "Bob"

    agent = assistant(calls(("who", {})), say("Somebody"), tools=[who])
    policy = only(record(lambda: run_in(mode, agent)).events, "POLICY_DECISION")
    assert policy["policy"] == {
        "policy_id": "no names",
        "outcome": "deny",
        "metadata": {
            "kind": "ToolOutputGuardrail",
            "behavior": "reject_content",
            "tool_name": "who",
            "tool_call_id": "call_1",
            "message": "a name was left out",
        },
    }


def test_the_message_of_a_tool_guardrail_is_hidden_with_all_content() -> None:
    events = record(
        lambda: scenarios.tool_input_guardrail(Mode.RUN), capture_content=False
    ).events
    policy = only(events, "POLICY_DECISION")["policy"]
    assert policy["metadata"]["tool_name"] == "double"
    assert policy["metadata"]["message"] == "<9 chars>"


def test_what_changed_in_an_agent_between_runs_is_told() -> None:
    def story() -> None:
        agent = assistant(say("one"), say("two"))
        play(Mode.RUN, agent)
        agent.tools.append(add)
        play(Mode.RUN, agent)

    update = only(record(story).events, "STATE_UPDATE")["state_update"]
    assert update["agent"] == {"tools": {"old": None, "new": ["add"]}} or update[
        "agent"
    ] == {"tools": {"new": ["add"]}}


# -- hidden content -----------------------------------------------------------------


def _hidden_by_configuration(mode: Mode) -> list[Event]:
    return record(lambda: _rich_run(mode), capture_content=False).events


def _hidden_by_the_run(mode: Mode) -> list[Event]:
    config = RunConfig(trace_include_sensitive_data=False)
    return record(lambda: _rich_run(mode, run_config=config)).events


def _hidden_by_a_dict(mode: Mode) -> list[Event]:
    config = {"trace_include_sensitive_data": False}
    return record(lambda: _rich_run(mode, run_config=config)).events


_SAID = ("Be brief", "Let me think", "Rome", "bob", "Welcome", "kind", _PASSWORD, _KEY)


@in_loop
@pytest.mark.parametrize(
    "hidden", [_hidden_by_configuration, _hidden_by_the_run, _hidden_by_a_dict]
)
def test_content_can_be_hidden_while_facts_stay(
    hidden: Callable[[Mode], list[Event]], mode: Mode
) -> None:
    events = hidden(mode)
    told = [event for event in events if event["type"] != "EVENT_TYPE_SYSTEM"]
    text = json.dumps(told)
    assert [said for said in _SAID if said in text] == []
    shown = record(lambda: _rich_run(mode)).events
    assert tree_of(events) == tree_of(shown)
    first = named(events, "MODEL_INVOCATION_START")[0]["llm_invocation"]["request"]
    assert first["input_count"] == 1
    assert first["tools"] == ["log_in"]
    assert first["output_schema"] == "City"
    assert first["settings"]["tool_choice"] == "auto"
    assert first["prompt"] == {"id": "pmpt_1", "version": "3"}
    end = named(events, "MODEL_INVOCATION_END")[0]["llm_invocation"]
    assert end["prompt_tokens"] == 100
    (call,) = end["response"]["tool_calls"]
    assert (call["id"], call["name"]) == ("call_a", "log_in")
    hashes = {
        event["llm_invocation"]["request"]["system_hash"]
        for event in named(events, "MODEL_INVOCATION_START")
    }
    assert len(hashes) == 1


@in_loop
def test_hidden_content_hides_the_text_of_errors_too(mode: Mode) -> None:
    credentials = {"user": "bob", "password": _PASSWORD}
    agent = assistant(calls(("break_in", credentials)), say("No"), tools=[break_in])
    events = record(lambda: run_in(mode, agent), capture_content=False).events
    assert "bob" not in json.dumps(named(events, "ERROR"))
    assert only(events, "ERROR")["error"]["error_code"] == "ValueError"


def test_the_switch_of_the_sdk_in_the_environment_hides_content_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_AGENTS_TRACE_INCLUDE_SENSITIVE_DATA", "false")
    hidden = record(lambda: _rich_run(Mode.RUN)).events
    assert "bob" not in json.dumps(hidden)
    # A run's own configuration goes before the environment, as in the SDK.
    config = RunConfig(trace_include_sensitive_data=True)
    shown = record(lambda: _rich_run(Mode.RUN, run_config=config)).events
    assert "bob" in json.dumps(shown)
