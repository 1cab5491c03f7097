"""
The SDK's own tracing, where an application says what it does: traces and custom spans.

With the SDK's tracing on and disabled, since most applications without OpenAI disable
it; and without disturbing it.
"""

from __future__ import annotations

import asyncio
import json
from types import FunctionType
from typing import Any

import pytest
from agents import (
    RunConfig,
    Runner,
    TracingProcessor,
    custom_span,
    function_tool,
    gen_trace_id,
    set_trace_processors,
    set_tracing_disabled,
    trace,
)
from agents.tracing import SpanError
from agents.tracing.spans import NoOpSpan, SpanImpl

import chaukas.sdk
from tests.support.agent_runs import Mode, calls, record, run_in, say
from tests.support.scenarios import assistant
from tests.support.trees import named, only, tree_of

_SPAN_METHODS = ("start", "finish")

switched = pytest.mark.parametrize("is_disabled", [False, True], ids=["on", "disabled"])


def hello() -> Any:
    return assistant(say("Hello"))


def own(events: Any) -> list[Any]:
    """Return the SYSTEM events of custom spans."""
    return [
        event
        for event in named(events, "SYSTEM")
        if event["metadata"].get("source") == "custom_span"
    ]


@switched
@pytest.mark.parametrize("mode", [Mode.RUN, Mode.STREAMED], ids=["run", "streamed"])
def test_runs_inside_a_trace_share_its_name_its_session_and_its_id(
    mode: Mode, is_disabled: bool
) -> None:
    set_tracing_disabled(is_disabled)

    async def story() -> None:
        with trace("Story", group_id="chat-1", metadata={"plan": "gold"}):
            await run_in(mode, hello())
            await run_in(mode, hello())
        await run_in(mode, hello())

    events = record(story).events
    first, second, outside = named(events, "AGENT_START")
    assert first["trace_id"] == second["trace_id"] != outside["trace_id"]
    assert len(first["trace_id"]) == 32
    assert [start["session_id"] for start in (first, second)] == ["chat-1"] * 2
    assert outside["session_id"] != "chat-1"
    for start in (first, second):
        told = start["metadata"]
        assert told["workflow_name"] == "Story"
        assert told["trace_metadata"] == {"plan": "gold"}
        if is_disabled:
            assert "sdk_trace_id" not in told
        else:
            assert told["sdk_trace_id"] == f"trace_{start['trace_id']}"
    assert outside["metadata"].keys().isdisjoint({"workflow_name", "sdk_trace_id"})


def test_a_trace_with_an_id_of_its_own_gives_a_w3c_id_that_is_made_of_it() -> None:
    async def story() -> None:
        for _ in range(2):
            with trace("Story", trace_id="trace_mine"):
                await Runner.run(hello(), "Hi")

    one, other = named(record(story).events, "AGENT_START")
    assert one["trace_id"] == other["trace_id"]
    assert len(one["trace_id"]) == 32
    assert int(one["trace_id"], 16)
    assert one["metadata"]["sdk_trace_id"] == "trace_mine"


def test_what_names_a_session_or_a_trace_itself_wins() -> None:
    own_id = gen_trace_id()

    async def story() -> None:
        with trace("Story", group_id="chat-1"):
            config = RunConfig(trace_id=own_id, group_id="other")
            await Runner.run(hello(), "Hi", run_config=config)
            with chaukas.sdk.session("block"):
                await Runner.run(hello(), "Hi")

    first, second = named(record(story).events, "AGENT_START")
    assert (first["trace_id"], first["session_id"]) == (own_id, "other")
    assert second["session_id"] == "block"


def test_a_run_without_a_trace_tells_what_its_configuration_says() -> None:
    config = RunConfig(workflow_name="Billing", trace_metadata={"token": "abc", "n": 1})
    events = record(lambda: Runner.run(hello(), "Hi", run_config=config)).events
    told = only(events, "AGENT_START")["metadata"]
    assert told["workflow_name"] == "Billing"
    assert told["trace_metadata"] == {"token": "[REDACTED]", "n": 1}


def test_the_name_that_the_sdk_gives_to_every_workflow_says_nothing() -> None:
    events = record(lambda: Runner.run(hello(), "Hi", run_config=RunConfig())).events
    assert "workflow_name" not in only(events, "AGENT_START")["metadata"]


def test_the_metadata_of_a_trace_is_hidden_with_all_content_and_its_name_is_not() -> (
    None
):
    async def story() -> None:
        with trace("Story", metadata={"plan": "gold"}):
            await Runner.run(hello(), "Hi")

    told = only(record(story, capture_content=False).events, "AGENT_START")["metadata"]
    assert told["workflow_name"] == "Story"
    assert told["trace_metadata"] == {"plan": "<4 chars>"}


# -- spans of the application ---------------------------------------------------------


@switched
def test_a_custom_span_is_told_at_its_end_where_it_stands(is_disabled: bool) -> None:
    set_tracing_disabled(is_disabled)

    @function_tool
    def look_up() -> str:
        with custom_span("look up", {"table": "orders", "password": "x"}):
            return "found"

    agent = assistant(calls(("look_up", {})), say("Found"), tools=[look_up])
    events = record(lambda: Runner.run(agent, "Hi")).events
    (span,) = own(events)
    told = span["metadata"]
    assert told["name"] == "look up"
    assert told["data"] == {"table": "orders", "password": "[REDACTED]"}
    assert ("sdk_span_id" in told) is not is_disabled
    assert span["performance"]["duration_ms"] > 0
    assert span["parent_span_id"] == only(events, "TOOL_CALL_START")["span_id"]
    assert span["status"] == "EVENT_STATUS_COMPLETED"


def test_spans_of_the_sdk_are_left_alone_until_there_is_a_custom_one() -> None:
    places = [vars(cls)[name] for cls in (SpanImpl, NoOpSpan) for name in _SPAN_METHODS]

    def standing() -> list[Any]:
        classes = (SpanImpl, NoOpSpan)
        return [vars(cls)[name] for cls in classes for name in _SPAN_METHODS]

    async def story() -> None:
        await Runner.run(hello(), "Hi")
        assert standing() == places
        assert all(type(place) is FunctionType for place in standing())
        for _ in range(2):
            with custom_span("own work"):
                pass
        assert not any(type(place) is FunctionType for place in standing())

    recorded = record(story)
    assert [event["metadata"]["name"] for event in own(recorded.events)] == [
        "own work",
        "own work",
    ]
    assert all(type(place) is FunctionType for place in standing())


@switched
def test_a_custom_span_with_an_error_failed(is_disabled: bool) -> None:
    set_tracing_disabled(is_disabled)

    async def story() -> None:
        with trace("Story", group_id="chat-1"):
            await Runner.run(hello(), "Hi")
            with custom_span("own work") as span:
                span.set_error(SpanError(message="no such table", data={"t": "x"}))

    events = record(story).events
    (span,) = own(events)
    start = only(events, "AGENT_START")
    assert span["session_id"] == "chat-1"
    assert span["trace_id"] == start["trace_id"]
    assert span["parent_span_id"] == only(events, "SESSION_START")["span_id"]
    if not is_disabled:
        # A disabled span keeps no error, so that there is none to tell.
        assert span["status"] == "EVENT_STATUS_FAILED"
        assert span["metadata"]["error"] == {
            "message": "no such table",
            "data": {"t": "x"},
        }


def test_the_spans_of_the_sdk_have_events_of_their_own_and_none_here() -> None:
    async def story() -> None:
        config = RunConfig(tracing_disabled=True)
        await Runner.run(hello(), "Hi", run_config=config)
        await run_in(Mode.STREAMED, hello(), run_config=config)
        await Runner.run(hello(), "Hi")

    assert own(record(story).events) == []


def test_a_span_around_runs_hides_nothing_of_them() -> None:
    async def story() -> None:
        with trace("Story"), custom_span("outer"):
            await Runner.run(hello(), "Hi")

    events = record(story).events
    assert tree_of(events).split("\n") == [
        "SESSION",
        "  AGENT Assistant",
        "    INPUT",
        "    MODEL",
        "    OUTPUT",
    ]
    assert [each["metadata"]["name"] for each in own(events)] == ["outer"]


class _Seen(TracingProcessor):
    """A processor that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def on_trace_start(self, trace: Any) -> None:
        self.told.append(("trace", trace.name, trace.group_id, trace.metadata))

    def on_trace_end(self, trace: Any) -> None:
        self.told.append(("trace end", trace.name))

    def on_span_start(self, span: Any) -> None:
        self.told.append(("span", span.span_data.export()["type"]))

    def on_span_end(self, span: Any) -> None:
        self.told.append(("span end", span.span_data.export()["type"]))

    def shutdown(self) -> None: ...
    def force_flush(self) -> None: ...


def test_processors_are_told_the_same_with_chaukas_and_without() -> None:
    async def story() -> None:
        with trace("Story", group_id="g", metadata={"a": 1}), custom_span("own"):
            await Runner.run(hello(), "Hi")

    def told(play: Any) -> list[Any]:
        seen = _Seen()
        set_trace_processors([seen])
        play(story)
        return seen.told

    assert told(record) == told(lambda scenario: asyncio.run(scenario()))


def test_hostile_data_of_a_span_costs_the_host_nothing() -> None:
    class Hostile:
        def __getattr__(self, name: str) -> Any:
            pytest.fail(f"asked for {name}")

    async def story() -> None:
        planted = {"it": Hostile()}
        with trace("Story", metadata=planted), custom_span("own", planted):
            await Runner.run(hello(), "Hi")

    events = record(story).events
    assert len(own(events)) == 1
    assert "Hostile" in json.dumps(own(events))
