"""
Approvals and the runs that go on after them: one story, however long it pauses.

Who allowed what is the question that a record of actions is asked most; its answer
must not depend on which process, or which copy of a state, the run went on with.
"""

from __future__ import annotations

import asyncio
import gc
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from agents import (
    Agent,
    HostedMCPTool,
    RunConfig,
    RunContextWrapper,
    Runner,
    RunState,
    function_tool,
    trace,
)
from agents.exceptions import UserError
from agents.testing import ScriptedModel

import chaukas.sdk
from chaukas.sdk.testing import SequentialIds, capture_events
from loopback import Hosted, Text
from tests.support import programs
from tests.support.agent_runs import (
    Mode,
    calls,
    in_loop,
    modes,
    play,
    record,
    run_in,
    say,
)
from tests.support.scenarios import assistant
from tests.support.served import run_served
from tests.support.trees import named, only, spans_of, tree, tree_of

if TYPE_CHECKING:
    from collections.abc import Callable


@function_tool(needs_approval=True)
def pay(amount: int = 1) -> str:
    """Pay."""
    return f"paid {amount}"


def payer(*steps: Any, **options: Any) -> Agent[Any]:
    options.setdefault("tools", [pay])
    return assistant(*steps, **options)


def one_payment(**options: Any) -> Agent[Any]:
    return payer(calls(("pay", {"amount": 5})), say("Paid"), **options)


def answers(events: Any) -> list[tuple[str, str]]:
    """Return outcome and call of each decision."""
    return [
        (event["policy"]["outcome"], event["policy"]["metadata"]["tool_call_id"])
        for event in named(events, "POLICY_DECISION")
    ]


def traces_of(events: Any) -> set[str]:
    return {span.start["trace_id"] for span in spans_of(events)}


def sessions_of(events: Any) -> set[str]:
    return {span.start["session_id"] for span in spans_of(events)}


# -- one story in one process ---------------------------------------------------------


@in_loop
@pytest.mark.parametrize("form", ["string", "json", "object"])
def test_a_run_that_was_approved_goes_on_in_its_trace(form: str, mode: Mode) -> None:
    async def story() -> Any:
        agent = one_payment()
        result = await run_in(mode, agent)
        assert result.final_output is None
        state = result.to_state()
        if form == "string":
            state = await RunState.from_string(agent, state.to_string())
        elif form == "json":
            state = await RunState.from_json(agent, state.to_json())
        (item,) = state.get_interruptions()
        state.approve(item)
        return await run_in(mode, agent, state)

    recorded = record(story)
    assert recorded.value.final_output == "Paid"
    kept = [] if form == "object" else ["  STATE_UPDATE x2"]
    assert tree_of(recorded.events).split("\n") == [
        "SESSION",
        "  AGENT Assistant waiting",
        "    INPUT",
        "    MODEL",
        "    POLICY tool_approval review",
        *kept,
        "  POLICY tool_approval allow",
        "  AGENT Assistant",
        "    TOOL pay",
        "    MODEL",
        "    OUTPUT",
    ]
    assert len(traces_of(recorded.events)) == 1
    assert answers(recorded.events) == [("review", "call_1"), ("allow", "call_1")]
    first, second = named(recorded.events, "AGENT_START")
    assert "resumed" not in first["metadata"]
    assert second["metadata"]["resumed"] is True


def test_a_saved_state_tells_what_it_waits_for() -> None:
    def story() -> None:
        state = play(Mode.RUN, one_payment()).to_state()
        state.to_string()

    update = only(record(story).events, "STATE_UPDATE")
    assert update["state_update"] == {
        "run_state": {
            "operation": "saved",
            "agent": "Assistant",
            "turn": 1,
            "max_turns": 10,
            "waiting_for": [{"tool_name": "pay", "tool_call_id": "call_1"}],
            "input_items": 1,
            "items": {"tool_call_item": 1, "tool_approval_item": 1},
            "model_responses": 1,
            "usage": {"requests": 1},
        }
    }
    assert update["agent_name"] == "Assistant"


@in_loop
def test_a_rejection_and_its_message_are_on_record(mode: Mode) -> None:
    async def story() -> Any:
        agent = one_payment()
        state = (await run_in(mode, agent)).to_state()
        (item,) = state.get_interruptions()
        state.reject(item, rejection_message="too much")
        return await run_in(mode, agent, state)

    recorded = record(story)
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          AGENT Assistant waiting
            INPUT
            MODEL
            POLICY tool_approval review
          POLICY tool_approval deny
          AGENT Assistant
            MODEL
            OUTPUT
        """
    )
    denied = named(recorded.events, "POLICY_DECISION")[-1]
    assert denied["policy"]["rationale"] == "too much"
    assert denied["policy"]["rule_ids"] == ["pay"]
    assert denied["severity"] == "SEVERITY_WARN"
    assert denied["agent_name"] == "Assistant"


@pytest.mark.parametrize("by", ["chaukas", "the_sdk"])
def test_a_rejection_message_is_hidden_with_all_content(by: str) -> None:
    config = RunConfig(trace_include_sensitive_data=by == "chaukas")

    async def story() -> Any:
        result = await Runner.run(one_payment(), "Hi", run_config=config)
        state = result.to_state()
        state.reject(state.get_interruptions()[0], rejection_message="too much")

    events = record(story, capture_content=by != "chaukas").events
    denied = named(events, "POLICY_DECISION")[-1]
    assert denied["policy"]["rationale"] == "<8 chars>"
    assert denied["policy"]["rule_ids"] == ["pay"]


@in_loop
def test_a_function_says_which_calls_need_an_approval(mode: Mode) -> None:
    async def needs(_context: Any, arguments: dict[str, Any], _call_id: str) -> bool:
        return arguments["amount"] > 10

    @function_tool(needs_approval=needs)
    def spend(amount: int) -> str:
        return "spent"

    async def story() -> Any:
        step = calls(("spend", {"amount": 5}), ("spend", {"amount": 50}))
        agent = payer(step, say("Done"), tools=[spend])
        state = (await run_in(mode, agent)).to_state()
        state.approve(state.get_interruptions()[0])
        return await run_in(mode, agent, state)

    recorded = record(story)
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          AGENT Assistant waiting
            INPUT
            MODEL
            POLICY tool_approval allow
            TOOL spend
            POLICY tool_approval review
          POLICY tool_approval allow
          AGENT Assistant
            TOOL spend
            MODEL
            OUTPUT
        """
    )
    assert answers(recorded.events) == [
        ("allow", "call_1"),
        ("review", "call_2"),
        ("allow", "call_2"),
    ]


@in_loop
def test_one_of_two_decided_leaves_the_other_waiting_and_told_once(mode: Mode) -> None:
    async def story() -> Any:
        agent = payer(calls(("pay", {"amount": 1}), ("pay", {"amount": 2})), say("Ok"))
        state = (await run_in(mode, agent)).to_state()
        first, _ = state.get_interruptions()
        state.approve(first)
        state = (await run_in(mode, agent, state)).to_state()
        (second,) = state.get_interruptions()
        state.reject(second)
        return await run_in(mode, agent, state)

    recorded = record(story)
    assert recorded.value.final_output == "Ok"
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          AGENT Assistant waiting
            INPUT
            MODEL
            POLICY tool_approval review x2
          POLICY tool_approval allow
          AGENT Assistant waiting
            TOOL pay
          POLICY tool_approval deny
          AGENT Assistant
            MODEL
            OUTPUT
        """
    )
    assert len(traces_of(recorded.events)) == 1


def rule_run(mode: Mode, needs: Any, *steps: Any) -> list[Any]:
    """Return the policies of a run whose one tool has the rule *needs*."""

    @function_tool(needs_approval=needs)
    def spend(amount: int) -> str:
        return "spent"

    agent = payer(*steps, tools=[spend])
    events = record(lambda: play(mode, agent)).events
    return [event["policy"] for event in named(events, "POLICY_DECISION")]


@modes
def test_a_rule_that_asks_for_no_approval_is_an_allow_that_names_the_rule(
    mode: Mode,
) -> None:
    asked: list[str] = []

    def over_ten(_context: Any, arguments: dict[str, Any], call_id: str) -> bool:
        asked.append(call_id)
        return arguments["amount"] > 10

    told = rule_run(mode, over_ten, calls(("spend", {"amount": 5})), say("Done"))
    assert told == [
        {
            "policy_id": "tool_approval",
            "outcome": "allow",
            "rule_ids": ["spend"],
            "metadata": {
                "tool_name": "spend",
                "tool_call_id": "call_1",
                "rule": "over_ten",
            },
        }
    ]
    # The SDK's own question, and none of ours.
    assert asked == ["call_1"]


@modes
@pytest.mark.parametrize("needs", [False])
def test_a_tool_without_a_rule_needs_no_decision(needs: bool, mode: Mode) -> None:
    step = calls(("spend", {"amount": 5}))
    assert rule_run(mode, needs, step, say("Done")) == []


def test_a_rule_that_is_no_plain_function_is_named_by_its_class() -> None:
    class Never:
        def __call__(self, *_args: Any) -> bool:
            return False

        def __getattr__(self, name: str) -> Any:
            pytest.fail(f"asked for {name}")

    step = calls(("spend", {"amount": 5}))
    (told,) = rule_run(Mode.RUN, Never(), step, say("Done"))
    assert told["metadata"]["rule"] == "Never"


def test_a_decision_tells_its_arguments_and_how_long_it_waited() -> None:
    async def story() -> Any:
        agent = one_payment()
        state = (await Runner.run(agent, "Hi")).to_state()
        state = await RunState.from_json(agent, state.to_json())
        state.reject(state.get_interruptions()[0], rejection_message="too much")

    review, denied = named(record(story).events, "POLICY_DECISION")
    call = {"tool_name": "pay", "tool_call_id": "call_1", "arguments": {"amount": 5}}
    assert review["policy"]["metadata"] == call
    waited_ms = denied["policy"]["metadata"].pop("waited_ms")
    assert waited_ms > 0
    assert denied["policy"]["metadata"] == call


def test_arguments_of_a_decision_are_hidden_with_all_content() -> None:
    async def story() -> Any:
        state = (await Runner.run(one_payment(), "Hi")).to_state()
        state.approve(state.get_interruptions()[0])

    events = record(story, capture_content=False).events
    review, _ = named(events, "POLICY_DECISION")
    assert review["policy"]["metadata"] == {
        "tool_name": "pay",
        "tool_call_id": "call_1",
        "arguments": {"amount": "<number>"},
    }


# -- decisions that stand -------------------------------------------------------------


@in_loop
def test_an_approval_of_all_calls_allows_each_that_runs(mode: Mode) -> None:
    async def story() -> Any:
        agent = payer(
            calls(("pay", {"amount": 1})),
            calls(("pay", {"amount": 2}), first=2),
            say("Ok"),
        )
        state = (await run_in(mode, agent)).to_state()
        state.approve(state.get_interruptions()[0], always_approve=True)
        return await run_in(mode, agent, state)

    recorded = record(story)
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          AGENT Assistant waiting
            INPUT
            MODEL
            POLICY tool_approval review
          POLICY tool_approval allow
          AGENT Assistant
            TOOL pay
            MODEL
            POLICY tool_approval allow
            TOOL pay
            MODEL
            OUTPUT
        """
    )
    told = [event["policy"] for event in named(recorded.events, "POLICY_DECISION")]
    waited_ms = told[1]["metadata"].pop("waited_ms")
    assert type(waited_ms) in (int, float)
    assert [policy["metadata"] for policy in told] == [
        {"tool_name": "pay", "tool_call_id": "call_1", "arguments": {"amount": 1}},
        {
            "tool_name": "pay",
            "tool_call_id": "call_1",
            "arguments": {"amount": 1},
            "always": True,
        },
        {"tool_name": "pay", "tool_call_id": "call_2", "sticky": True},
    ]


@in_loop
def test_a_rejection_of_all_calls_denies_each(mode: Mode) -> None:
    async def story() -> Any:
        agent = payer(
            calls(("pay", {"amount": 1})),
            calls(("pay", {"amount": 2}), first=2),
            say("Ok"),
        )
        state = (await run_in(mode, agent)).to_state()
        item = state.get_interruptions()[0]
        state.reject(item, always_reject=True, rejection_message="never")
        return await run_in(mode, agent, state)

    recorded = record(story)
    assert recorded.value.final_output == "Ok"
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          AGENT Assistant waiting
            INPUT
            MODEL
            POLICY tool_approval review
          POLICY tool_approval deny
          AGENT Assistant
            MODEL
            POLICY tool_approval deny
            MODEL
            OUTPUT
        """
    )
    last = named(recorded.events, "POLICY_DECISION")[-1]["policy"]
    assert last["metadata"] == {
        "tool_name": "pay",
        "tool_call_id": "call_2",
        "sticky": True,
    }
    assert last["rationale"] == "never"


def test_the_same_decision_is_told_once_and_a_new_mind_again() -> None:
    async def story() -> None:
        state = (await Runner.run(one_payment(), "Hi")).to_state()
        (item,) = state.get_interruptions()
        state.approve(item)
        state.approve(item)
        state.reject(item)
        state.approve(item, always_approve=True)
        state.approve(item)

    assert [outcome for outcome, _ in answers(record(story).events)] == [
        "review",
        "allow",
        "deny",
        "allow",
    ]


def test_a_decision_that_is_repeated_in_the_run_is_told_once() -> None:
    """As older releases do, for agents that are tools."""
    kept: list[Any] = []

    @function_tool(needs_approval=True)
    def repeat(context: RunContextWrapper[Any]) -> str:
        context.approve_tool(kept[0])
        return "repeated"

    async def story() -> Any:
        agent = payer(calls(("repeat", {})), say("Ok"), tools=[repeat])
        state = (await Runner.run(agent, "Hi")).to_state()
        kept.extend(state.get_interruptions())
        state.approve(kept[0])
        return await Runner.run(agent, state)

    recorded = record(story)
    assert recorded.value.final_output == "Ok"
    assert [outcome for outcome, _ in answers(recorded.events)] == ["review", "allow"]


# -- agents as tools ------------------------------------------------------------------


def nested(*, streams: bool) -> Agent[Any]:
    async def watch(_event: Any) -> None: ...

    inner = payer(calls(("pay", {"amount": 7}), first=9), say("Paid 7"), name="Inner")
    tool = inner.as_tool("buy", "Buys.", on_stream=watch if streams else None)
    return payer(calls(("buy", {"input": "it"})), say("Bought"), tools=[tool])


@in_loop
@pytest.mark.parametrize("streams", [False, True], ids=["plain", "on_stream"])
@pytest.mark.parametrize("is_saved", [False, True], ids=["kept", "saved"])
def test_an_approval_inside_an_agent_that_is_a_tool(
    streams: bool, is_saved: bool, mode: Mode
) -> None:
    async def story() -> Any:
        agent = nested(streams=streams)
        state = (await run_in(mode, agent)).to_state()
        if is_saved:
            state = await RunState.from_string(agent, state.to_string())
        (item,) = state.get_interruptions()
        state.approve(item)
        return await run_in(mode, agent, state)

    recorded = record(story)
    assert recorded.value.final_output == "Bought"
    kept = ["  STATE_UPDATE x2"] if is_saved else []
    assert tree_of(recorded.events).split("\n") == [
        "SESSION",
        "  AGENT Assistant waiting",
        "    INPUT",
        "    MODEL",
        "    TOOL buy",
        "      AGENT Inner waiting",
        "        MODEL",
        "    POLICY tool_approval review",
        *kept,
        "  POLICY tool_approval allow",
        "  AGENT Assistant",
        "    TOOL buy",
        "      AGENT Inner",
        "        TOOL pay",
        "        MODEL",
        "    MODEL",
        "    OUTPUT",
    ]
    assert len(traces_of(recorded.events)) == 1
    assert answers(recorded.events) == [("review", "call_9"), ("allow", "call_9")]
    review = named(recorded.events, "POLICY_DECISION")[0]["policy"]
    assert review["metadata"]["agent_name"] == "Inner"
    ends = [
        end["tool_response"].get("metadata")
        for end in named(recorded.events, "TOOL_CALL_END")
    ]
    assert ends == [{"waiting": True}, None, None]


# -- input added to a state -----------------------------------------------------------


@in_loop
def test_input_that_was_added_is_received_by_the_run_that_goes_on(mode: Mode) -> None:
    async def story() -> Any:
        agent = one_payment()
        state = (await run_in(mode, agent)).to_state()
        state.add_input("And be quick.")
        state.approve(state.get_interruptions()[0])
        return await run_in(mode, agent, state)

    recorded = record(story)
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          AGENT Assistant waiting
            INPUT
            MODEL
            POLICY tool_approval review
          STATE_UPDATE
          POLICY tool_approval allow
          AGENT Assistant
            INPUT
            TOOL pay
            MODEL
            OUTPUT
        """
    )
    told = only(recorded.events, "STATE_UPDATE")["state_update"]["run_state"]
    assert told["operation"] == "input_added"
    assert told["pending_input"] == 1
    added = named(recorded.events, "INPUT_RECEIVED")[1]
    assert added["message"]["text"] == "And be quick."


def test_input_that_still_waits_is_received_once() -> None:
    async def story() -> Any:
        agent = payer(calls(("pay", {"amount": 1}), ("pay", {"amount": 2})), say("Ok"))
        state = (await Runner.run(agent, "Hi")).to_state()
        state.add_input("one")
        state.approve(state.get_interruptions()[0])
        state = (await Runner.run(agent, state)).to_state()
        state.add_input("two")
        state.approve(state.get_interruptions()[0])
        return await Runner.run(agent, state)

    events = record(story).events
    texts = [event["message"]["text"] for event in named(events, "INPUT_RECEIVED")]
    assert texts == ["Hi", "one", "two"]


def test_a_stream_that_was_stopped_after_a_turn_goes_on_in_its_trace() -> None:
    @function_tool
    def look() -> str:
        return "seen"

    async def story() -> Any:
        agent = payer(calls(("look", {})), say("Fine"), tools=[look])
        result = Runner.run_streamed(agent, "Hi")
        async for event in result.stream_events():
            if event.type == "raw_response_event":
                result.cancel(mode="after_turn")
        return await Runner.run(agent, result.to_state())

    recorded = record(story)
    assert recorded.value.final_output == "Fine"
    assert len(traces_of(recorded.events)) == 1
    assert [event["status"] for event in named(recorded.events, "AGENT_END")] == [
        "EVENT_STATUS_CANCELLED",
        "EVENT_STATUS_COMPLETED",
    ]


def test_a_resumption_that_failed_can_be_tried_again_in_the_same_trace() -> None:
    async def story() -> Any:
        agent = payer(calls(("pay", {})), TimeoutError("timed out"), say("Paid"))
        state = (await Runner.run(agent, "Hi")).to_state()
        state.approve(state.get_interruptions()[0])
        with pytest.raises(TimeoutError):
            await Runner.run(agent, state)
        return await Runner.run(agent, state)

    recorded = record(story)
    assert recorded.value.final_output == "Paid"
    assert len(traces_of(recorded.events)) == 1
    assert only(recorded.events, "RETRY")["retry"]["metadata"]["layer"] == "application"


# -- sessions, tenants, traces --------------------------------------------------------


def test_decisions_stand_in_the_session_and_tenant_of_the_run_that_waits() -> None:
    async def story() -> None:
        agent = one_payment()
        with chaukas.sdk.session("chat-1", tenant_id="acme"):
            state = (await Runner.run(agent, "Hi")).to_state()
        state.approve(state.get_interruptions()[0])
        await Runner.run(agent, state)

    events = record(story).events
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT Assistant waiting
            INPUT
            MODEL
            POLICY tool_approval review
        SESSION
          POLICY tool_approval allow
          AGENT Assistant
            TOOL pay
            MODEL
            OUTPUT
        """
    )
    assert sessions_of(events) == {"chat-1"}
    assert {span.start["tenant_id"] for span in spans_of(events)} == {"acme"}
    assert len(traces_of(events)) == 1
    ends = [end["session_end"]["metadata"] for end in named(events, "SESSION_END")]
    assert [end["runs"] for end in ends] == [1, 1]


def test_another_tenant_never_sees_the_trace_of_a_state() -> None:
    async def story() -> None:
        agent = one_payment()
        with chaukas.sdk.session("chat-1", tenant_id="acme"):
            state = (await Runner.run(agent, "Hi")).to_state()
        with chaukas.sdk.session("chat-1", tenant_id="other"):
            state.approve(state.get_interruptions()[0])
            await Runner.run(agent, state)

    events = record(story).events
    by_tenant: dict[str, set[str]] = {}
    for span in spans_of(events):
        by_tenant.setdefault(span.start["tenant_id"], set()).add(span.start["trace_id"])
    assert set(by_tenant) == {"acme", "other"}
    assert not by_tenant["acme"] & by_tenant["other"]
    tree_of(events)


def test_two_that_wait_at_once_keep_apart() -> None:
    async def story() -> None:
        agents = [one_payment(name=name) for name in ("A", "B")]
        results = [
            await Runner.run(agent, "Hi", run_config=RunConfig(group_id=agent.name))
            for agent in agents
        ]
        texts = [result.to_state().to_string() for result in results]
        for agent, text in reversed(list(zip(agents, texts, strict=True))):
            state = await RunState.from_string(agent, text)
            state.approve(state.get_interruptions()[0])
            await Runner.run(agent, state)

    events = record(story).events
    for name in ("A", "B"):
        own = [event for event in events if event.get("agent_name") == name]
        assert {event["session_id"] for event in own} == {name}
        assert len({event["trace_id"] for event in own}) == 1
        assert len(named(own, "POLICY_DECISION")) == 2
    assert len(traces_of(events)) == 2


def test_states_that_look_alike_share_no_trace() -> None:
    """Without the SDK's tracing, and with call ids that a provider uses again."""
    config = RunConfig(tracing_disabled=True)

    async def story() -> None:
        agents = [one_payment(), one_payment()]
        texts = [
            (await Runner.run(agent, "Hi", run_config=config)).to_state().to_string()
            for agent in agents
        ]
        for agent, text in zip(agents, texts, strict=True):
            state = await RunState.from_string(agent, text)
            state.approve(state.get_interruptions()[0])
            await Runner.run(agent, state, run_config=config)

    events = record(story).events
    starts = named(events, "AGENT_START")
    assert len({start["trace_id"] for start in starts}) == 4
    allows = named(events, "POLICY_DECISION")[2:]
    assert [allow["trace_id"] for allow in allows] == [
        start["trace_id"] for start in starts[2:]
    ]
    tree_of(events)


def test_a_trace_that_the_application_names_wins() -> None:
    async def story() -> None:
        agent = one_payment()
        state = (await Runner.run(agent, "Hi")).to_state()
        state.approve(state.get_interruptions()[0])
        config = RunConfig(trace_id="trace_" + "7" * 32)
        await Runner.run(agent, state, run_config=config)

    first, second = named(record(story).events, "AGENT_START")
    assert first["trace_id"] != second["trace_id"] == "trace_" + "7" * 32


def test_a_decision_inside_another_run_goes_to_the_run_that_waits() -> None:
    async def story() -> None:
        worker = one_payment(name="Worker")
        state = (await Runner.run(worker, "Hi")).to_state()

        @function_tool
        def sign() -> str:
            state.approve(state.get_interruptions()[0])
            return "signed"

        boss = payer(calls(("sign", {}), first=5), say("Ok"), name="Boss", tools=[sign])
        await Runner.run(boss, "Sign it")

    events = record(story).events
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT Worker waiting
            INPUT
            MODEL
            POLICY tool_approval review
          AGENT Boss
            INPUT
            MODEL
            TOOL sign
            MODEL
            OUTPUT
          POLICY tool_approval allow
        """
    )
    review, allow = named(events, "POLICY_DECISION")
    assert review["trace_id"] == allow["trace_id"]


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_decisions_are_sampled_with_their_run(rate: float) -> None:
    async def story() -> None:
        agents = [one_payment(name=f"N{number}") for number in range(12)]
        for agent in agents:
            result = await Runner.run(agent, "Hi")
            text = result.to_state().to_string()
            state = await RunState.from_string(agent, text)
            state.approve(state.get_interruptions()[0])
            await Runner.run(agent, state)

    # Not by chance: which traces are sampled is a matter of their ids.
    events = record(story, sample_rate=rate, ids=SequentialIds()).events
    tree_of(events)
    counts = {
        name: sum(event.get("agent_name") == name for event in events)
        for name in (f"N{number}" for number in range(12))
    }
    assert set(counts.values()) == ({0, 16} if rate else {0})


def test_a_decision_about_nothing_known_stands_in_the_session() -> None:
    async def make() -> Any:
        return (await Runner.run(one_payment(), "Hi")).to_state()

    state = asyncio.run(make())
    events = record(lambda: state.approve(state.get_interruptions()[0])).events
    assert tree_of(events) == tree(
        """
        SESSION
          POLICY tool_approval allow
        """
    )
    state = asyncio.run(make())
    nothing = record(
        lambda: state.approve(state.get_interruptions()[0]), sample_rate=0.0
    )
    assert not named(nothing.events, "POLICY_DECISION")


# -- hosted MCP -----------------------------------------------------------------------

_REQUEST = {
    "type": "mcp_approval_request",
    "id": "mcpr_1",
    "arguments": "{}",
    "name": "delete",
    "server_label": "files",
}
_HOSTED: Any = {
    "type": "mcp",
    "server_label": "files",
    "server_url": "https://mcp.example/files",
    "require_approval": "always",
}


@in_loop
@pytest.mark.parametrize("is_approved", [True, False], ids=["approved", "rejected"])
def test_a_callback_decides_about_a_hosted_mcp_server(
    is_approved: bool, mode: Mode
) -> None:
    tool = HostedMCPTool(
        _HOSTED, lambda _: {"approve": is_approved, "reason": "policy 7"}
    )
    script = [Hosted([_REQUEST]), Text("Done")]
    events = record(lambda: run_served(script, mode, tools=[tool])).events
    outcome = "allow" if is_approved else "deny"
    assert tree_of(events).split("\n") == [
        "SESSION",
        "  AGENT Assistant",
        "    INPUT",
        "    MODEL",
        f"    POLICY tool_approval {outcome}",
        "    MODEL",
        "    OUTPUT",
    ]
    assert answers(events) == [(outcome, "mcpr_1")]


@in_loop
def test_a_person_decides_about_a_hosted_mcp_server(mode: Mode) -> None:
    def story() -> Any:
        tool = HostedMCPTool(_HOSTED)
        state = asyncio.run(
            run_served([Hosted([_REQUEST])], mode, tools=[tool])
        ).to_state()
        state.approve(state.get_interruptions()[0])

    events = record(story).events
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT Assistant waiting
            INPUT
            MODEL
            POLICY tool_approval review
          POLICY tool_approval allow
        """
    )
    assert answers(events) == [("review", "mcpr_1"), ("allow", "mcpr_1")]


# -- other processes ------------------------------------------------------------------

_OTHER_PROCESS = """
from agents import RunState

@function_tool(needs_approval=True)
def pay(amount: int = 1) -> str:
    return f"paid {amount}"

async def main():
    model = ScriptedModel([[assistant_message("Paid")]])
    one = Agent(
        name="Assistant", model=model, tools=[pay], instructions="You are Assistant."
    )
    state = await RunState.from_string(one, open("state.json").read())
    state.approve(state.get_interruptions()[0])
    print((await Runner.run(one, state)).final_output)

enable(link_run_states=True)
asyncio.run(main())
"""


def test_another_process_goes_on_in_the_trace_if_asked(tmp_path: Any) -> None:
    async def story() -> None:
        with chaukas.sdk.session("order-66"):
            state = (await Runner.run(one_payment(), "Hi")).to_state()
        (tmp_path / "state.json").write_text(state.to_string())

    events = record(story, link_run_states=True).events
    done = programs.play(tmp_path, _OTHER_PROCESS)
    assert done.out.strip() == "Paid", done.error
    assert tree_of(done.events) == tree(
        """
        SESSION
          STATE_UPDATE
          POLICY tool_approval allow
          AGENT Assistant
            TOOL pay
            MODEL
            OUTPUT
        """
    )
    assert sessions_of(events) == sessions_of(done.events) == {"order-66"}
    assert traces_of(events) == traces_of(done.events)
    assert len(traces_of(events)) == 1


# Nothing is remembered once chaukas was disabled: as good as another process.


def test_a_state_from_elsewhere_goes_on_in_the_session_of_its_group() -> None:
    agent = one_payment()

    async def before() -> str:
        config = RunConfig(group_id="order-66")
        result = await Runner.run(agent, "Hi", run_config=config)
        return str(result.to_state().to_string())

    first = record(before)

    async def after() -> None:
        state = await RunState.from_string(agent, first.value)
        state.approve(state.get_interruptions()[0])
        await Runner.run(agent, state)

    second = record(after)
    assert sessions_of(first.events) == sessions_of(second.events) == {"order-66"}
    assert len(traces_of(second.events)) == 1
    assert answers(second.events) == [("allow", "call_1")]
    runs = only(second.events, "SESSION_END")["session_end"]["metadata"]["runs"]
    assert runs == 1


def test_a_named_trace_is_carried_to_another_process() -> None:
    name = "trace_" + "5" * 32
    agent = one_payment()

    async def before() -> str:
        config = RunConfig(trace_id=name)
        result = await Runner.run(agent, "Hi", run_config=config)
        return str(result.to_state().to_string())

    first = record(before)

    async def after() -> None:
        state = await RunState.from_string(agent, first.value)
        state.approve(state.get_interruptions()[0])
        await Runner.run(agent, state)

    second = record(after)
    assert traces_of(first.events) == traces_of(second.events) == {name}


@pytest.mark.parametrize(
    "odd",
    [None, "x", {}, {"trace_id": 7}, {"trace_id": "t" * 999, "tenant_id": "a"}],
    ids=str,
)
def test_ids_in_a_saved_state_that_cannot_be_right_are_not_believed(odd: Any) -> None:
    agent = one_payment()

    async def story() -> Any:
        given = (await Runner.run(agent, "Hi")).to_state().to_json()
        given["chaukas"] = odd
        # As if another process had saved it.
        given["trace"] = {"object": "trace", "id": "trace_" + "1" * 32}
        state = await RunState.from_json(agent, given)
        state.approve(state.get_interruptions()[0])
        return await Runner.run(agent, state)

    recorded = record(story, link_run_states=True)
    assert recorded.value.final_output == "Paid"
    tree_of(recorded.events)


def test_ids_in_a_saved_state_are_believed_only_if_asked() -> None:
    agent = one_payment()

    async def save() -> Any:
        return (await Runner.run(agent, "Hi")).to_state().to_json()

    def load(given: Any) -> Callable[[], Any]:
        return lambda: RunState.from_json(agent, given)

    given = record(save, link_run_states=True).value
    where = given["chaukas"]
    assert set(where) == {
        "trace_id",
        "tenant_id",
        "project_id",
        "session_id",
        "hide_content",
    }
    told = only(record(load(given)).events, "STATE_UPDATE")
    assert told["trace_id"] != where["trace_id"]
    told = only(record(load(given), link_run_states=True).events, "STATE_UPDATE")
    assert told["trace_id"] == where["trace_id"]


# -- the host's program ---------------------------------------------------------------


def test_a_saved_state_is_the_same_with_chaukas_and_without() -> None:
    async def story() -> Any:
        with trace("t", trace_id="trace_" + "3" * 32):
            agent = nested(streams=False)
            state = (await Runner.run(agent, "Hi")).to_state()
            given = state.to_json()
            restored = await RunState.from_json(agent, given)
            restored.approve(restored.get_interruptions()[0])
            result = await Runner.run(agent, restored)
            return given, restored.to_json(), result.to_input_list()

    def steady(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: steady(item)
                for key, item in value.items()
                if key not in {"id", "response_id", "request_id"}
            }
        return [steady(item) for item in value] if isinstance(value, list) else value

    bare = asyncio.run(story())
    recorded = record(story)
    assert recorded.error is None
    assert steady(list(recorded.value)) == steady(list(bare))


@pytest.mark.parametrize("is_recorded", [False, True], ids=["bare", "recorded"])
def test_an_error_of_a_state_reaches_the_host_alone(is_recorded: bool) -> None:
    def story() -> Any:
        state = play(Mode.RUN, one_payment()).to_state()
        strange = play(Mode.RUN, assistant(say("Hi"))).to_state()
        with pytest.raises(UserError, match="terminal"):
            strange.add_input("more")
        state._context = None
        for act in (state.to_json, lambda: state.approve(None)):
            with pytest.raises(UserError, match=r"(?i)no context"):
                act()

    if not is_recorded:
        story()
        return
    recorded = record(story)
    assert recorded.error is None
    # Two agents of one name are compared; no state was saved.
    updates = named(recorded.events, "STATE_UPDATE")
    assert [list(e["state_update"]) for e in updates] == [["agent"]]
    assert answers(recorded.events) == [("review", "call_1")]


def test_no_frame_of_an_error_in_a_saved_state_holds_the_state() -> None:
    secret = "the password is swordfish"

    async def story() -> None:
        given = {"$schemaVersion": "0.0", "original_input": secret}
        await RunState.from_json(one_payment(), given)

    error = record(story).error
    assert error is not None
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    ours = [frame for frame in frames if frame.f_code.co_name == "restored"]
    assert len(ours) == 1
    assert secret not in repr(ours[0].f_locals)


def test_nothing_is_remembered_of_states_that_are_gone() -> None:
    with capture_events():
        from chaukas.sdk import _runtime

        runtime = _runtime.active()
        assert runtime is not None
        (wrapper,) = [
            one for one in runtime.integrations if one.name == "openai_agents"
        ]

        def play_once() -> None:
            agent = one_payment()
            state = play(Mode.STREAMED, agent).to_state()
            state.approve(state.get_interruptions()[0])
            play(Mode.STREAMED, agent, state)

        play_once()
        gc.collect()
        assert not wrapper._runs._pauses._objects


def test_many_saved_states_fill_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    from chaukas.sdk.integrations.shared import suspended

    monkeypatch.setattr(suspended, "_REMEMBERED_STATES", 3)

    async def story() -> set[bool]:
        agent = Agent[Any](
            name="Assistant", model=ScriptedModel([calls(("pay", {}))] * 6), tools=[pay]
        )
        texts = [
            (await Runner.run(agent, "Hi")).to_state().to_string() for _ in range(6)
        ]
        for text in texts:
            await RunState.from_string(agent, text)
        return set()

    events = record(story).events
    runs = [start["trace_id"] for start in named(events, "AGENT_START")]
    restored = [event["trace_id"] for event in named(events, "STATE_UPDATE")[6:]]
    assert restored[3:] == runs[3:]
    assert not set(restored[:3]) & set(runs)
