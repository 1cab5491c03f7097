"""Where an event stands and whom it names, with several agents and late tasks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

import chaukas.sdk as chaukas
from chaukas.sdk import _runtime
from chaukas.sdk.events import EventType
from chaukas.sdk.record.context import CURRENT, AgentRef, Node, Run, Session, reset
from chaukas.sdk.record.placement import node_in_force, place, place_inside
from chaukas.sdk.system.clock import timestamp_of
from tests.unit.test_record import recording, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaukas.sdk.record.context import NodeKind, Pair
    from chaukas.sdk.record.recorder import Recorder
    from chaukas.sdk.typing import Event

AGENT = EventType.AGENT_START
MODEL = EventType.MODEL_INVOCATION_START
TOOL = EventType.TOOL_CALL_START

ROOT = AgentRef("root-id", "root")
ONE = AgentRef("one-id", "one")
TWO = AgentRef("two-id", "two")


@pytest.fixture(autouse=True)
def nothing_in_force() -> Iterator[None]:
    token = CURRENT.set(None)
    yield
    reset(token)


def told(events: list[Event]) -> list[tuple[str, str, str]]:
    """Type, agent and status of each."""
    return [
        (
            e["type"].removeprefix("EVENT_TYPE_"),
            e.get("agent_name", ""),
            e["status"].removeprefix("EVENT_STATUS_"),
        )
        for e in events
    ]


def begun(recorder: Recorder) -> tuple[Run, Pair]:
    """Begin a run whose agent is ROOT."""
    inside = run()
    inside.agent = ROOT
    pair = recorder.pairs.start(AGENT, inside, {})
    inside.agent_span_id = pair.span_id
    return inside, pair


def start(recorder: Recorder, kind: EventType, above: Pair, **options: Any) -> Pair:
    return recorder.pairs.start(
        kind, above.run, {}, parent_span_id=above.span_id, **options
    )


# --- several agents in force at once ---------------------------------------------


async def test_agents_that_work_at_once_each_have_their_own_events() -> None:
    async def work(recorder: Recorder, top: Pair, agent: AgentRef) -> None:
        own = start(recorder, AGENT, top, agent=agent)
        token = CURRENT.set(Node(top.run, own.span_id, "own_agent", agent=agent))
        await asyncio.sleep(0)
        tool = start(recorder, TOOL, own)
        inner = CURRENT.set(Node(top.run, tool.span_id, "tool"))
        await asyncio.sleep(0)
        chaukas.event("note")
        recorder.error(top.run, ValueError(agent.name), tool.span_id)
        reset(inner)
        recorder.pairs.end(tool)
        node = node_in_force()
        assert node is not None
        assert node.parent_span_id == own.span_id
        reset(token)
        recorder.pairs.end(own)

    with recording() as (recorder, events):
        inside, top = begun(recorder)
        CURRENT.set(Node(inside, top.span_id, "agent"))
        await asyncio.gather(work(recorder, top, ONE), work(recorder, top, TWO))
        chaukas.event("after")
        recorder.pairs.end(top)
    found = events()
    spans: dict[str, list[Event]] = {}
    for event in found:
        spans.setdefault(event["agent_name"], []).append(event)
    assert told(spans["root"]) == [
        ("AGENT_START", "root", "STARTED"),
        ("SYSTEM", "root", "COMPLETED"),
        ("AGENT_END", "root", "COMPLETED"),
    ]
    for agent in (ONE, TWO):
        own = spans[agent.name]
        assert [(kind, status) for kind, _, status in told(own)] == [
            ("AGENT_START", "STARTED"),
            ("TOOL_CALL_START", "STARTED"),
            ("SYSTEM", "COMPLETED"),
            ("ERROR", "FAILED"),
            ("TOOL_CALL_END", "COMPLETED"),
            ("AGENT_END", "COMPLETED"),
        ]
        assert {e["agent_id"] for e in own} == {agent.agent_id}
        agent_span, tool_span = own[0]["span_id"], own[1]["span_id"]
        assert [e["parent_span_id"] for e in own] == [
            found[0]["span_id"],
            agent_span,
            tool_span,
            tool_span,
            agent_span,
            found[0]["span_id"],
        ]


def test_an_own_agent_stays_the_parent_while_the_agent_of_its_run_changes() -> None:
    with recording() as (recorder, _):
        inside, top = begun(recorder)
        own, follower = (
            Node(inside, "a" * 16, "own_agent", agent=ONE),
            Node(inside, top.span_id, "agent"),
        )
        inside.agent_span_id = "b" * 16
        assert own.parent_span_id == "a" * 16
        assert follower.parent_span_id == "b" * 16


def test_an_end_names_the_agent_that_its_start_was_given() -> None:
    with recording() as (recorder, events):
        inside, top = begun(recorder)
        pair = start(recorder, TOOL, top, agent=ONE)
        inside.agent = TWO
        recorder.pairs.end(pair)
    assert [name for _, name, _ in told(events())[1:3]] == ["one", "one"]


def test_a_run_inside_names_the_agent_that_it_serves() -> None:
    with recording() as (recorder, events):
        inside, top = begun(recorder)
        node = Node(inside, top.span_id, "own_agent", agent=ONE)
        inner = place_inside(Run, node, hide_content=False)
        recorder.emit(EventType.SYSTEM, inner, {}, parent_span_id=top.span_id)
    assert told(events())[1] == ("SYSTEM", "one", "COMPLETED")


def test_an_event_of_an_outer_run_names_the_agent_of_the_outer_run() -> None:
    with recording() as (recorder, events):
        outer, top = begun(recorder)
        inner = run(parent=Node(outer, top.span_id, "own_agent", agent=ONE))
        CURRENT.set(Node(inner, "i" * 16, "own_agent", agent=TWO))
        recorder.emit(EventType.SYSTEM, inner, {})
        recorder.emit(EventType.SYSTEM, outer, {})
        recorder.emit(EventType.SYSTEM, run(), {})
    assert [name for _, name, _ in told(events())[1:4]] == ["two", "one", ""]


# --- a parent that is over -------------------------------------------------------


def test_what_outlives_its_tool_stands_under_the_agent() -> None:
    with recording() as (recorder, _):
        inside, top = begun(recorder)
        tool = start(recorder, TOOL, top)
        CURRENT.set(Node(inside, tool.span_id, "tool"))
        recorder.pairs.end(tool)
        node = node_in_force()
        assert node is not None
        assert (node.run, node.parent_span_id, node.kind) == (
            inside,
            top.span_id,
            "agent",
        )


def test_what_outlives_its_model_stands_under_the_nearest_open_pair() -> None:
    with recording() as (recorder, _):
        inside, top = begun(recorder)
        own = start(recorder, AGENT, top, agent=ONE)
        tool = start(recorder, TOOL, own)
        model = start(recorder, MODEL, tool)
        CURRENT.set(Node(inside, model.span_id, "model"))
        recorder.pairs.end(model)
        recorder.pairs.end(tool)
        node = node_in_force()
        assert node is not None
        assert (node.parent_span_id, node.agent) == (own.span_id, ONE)
        recorder.pairs.end(own)
        node = node_in_force()
        assert node is not None
        assert (node.parent_span_id, node.kind) == (top.span_id, "agent")


@pytest.mark.parametrize("kind", ["agent", "own_agent", "tool"])
def test_what_outlives_its_run_stands_in_the_run_around_it(kind: NodeKind) -> None:
    with recording() as (recorder, _):
        outer, top = begun(recorder)
        tool = start(recorder, TOOL, top)
        inner = run(parent=Node(outer, tool.span_id, "tool"))
        pair = recorder.pairs.start(AGENT, inner, {}, parent_span_id=tool.span_id)
        inner.agent_span_id = pair.span_id
        CURRENT.set(Node(inner, pair.span_id, kind))
        recorder.pairs.end(pair)
        inner.is_ended = True
        node = node_in_force()
        assert node is not None
        assert (node.run, node.parent_span_id) == (outer, tool.span_id)
        recorder.pairs.end(tool)
        node = node_in_force()
        assert node is not None
        assert (node.run, node.parent_span_id) == (outer, top.span_id)
        outer.is_ended = True
        assert node_in_force() is None


def test_what_outlives_everything_stands_under_its_session() -> None:
    with recording() as (recorder, events):
        runtime = _runtime.active()
        assert runtime is not None
        alone = place(runtime.sessions, recorder, "s", framework="fw")
        inside = Run(alone.run.session, alone.run.trace_id)
        model = recorder.pairs.start(
            MODEL, inside, {}, parent_span_id=alone.parent_span_id
        )
        CURRENT.set(Node(inside, model.span_id, "model"))
        recorder.pairs.end(model)
        late = place(runtime.sessions, recorder, "s", framework="fw")
        assert late.is_alone
        assert late.parent_span_id == alone.parent_span_id
    assert [kind for kind, _, _ in told(events())] == [
        "SESSION_START",
        "MODEL_INVOCATION_START",
        "MODEL_INVOCATION_END",
        "SESSION_END",
    ]


def test_another_service_is_told_of_a_span_that_goes_on() -> None:
    with recording() as (recorder, _):
        session = Session("s", "tenant", "project")
        inside = Run(session, "1" * 32)
        top = recorder.pairs.start(AGENT, inside, {})
        inside.agent_span_id = top.span_id
        tool = start(recorder, TOOL, top)
        CURRENT.set(Node(inside, tool.span_id, "tool"))
        recorder.pairs.end(tool)
        assert chaukas.current_traceparent() == f"00-{'1' * 32}-{top.span_id}-01"
        inside.is_ended = True
        assert chaukas.current_traceparent() is None


# --- what stands below ends first --------------------------------------------------


def test_what_is_open_below_a_pair_ends_innermost_first() -> None:
    with recording() as (recorder, events):
        inside, top = begun(recorder)
        beside = start(recorder, TOOL, top, closing={"tool_response": {"x": 1}})
        agent = start(recorder, AGENT, top, agent=ONE)
        tool = start(recorder, TOOL, agent)
        inner = run(parent=Node(inside, tool.span_id, "tool"))
        model = recorder.pairs.start(MODEL, inner, {}, parent_span_id=tool.span_id)
        late = start(recorder, TOOL, agent)
        assert recorder.pairs.close_under(agent) == 3
        recorder.pairs.end(agent)
        assert recorder.pairs.open_count == 2
        assert recorder.pairs.end(beside)
    ends = [e for e in events() if e["type"].endswith("_END")]
    assert [e["span_id"] for e in ends] == [
        each.span_id for each in (model, late, tool, agent, beside, top)
    ]
    assert [e["metadata"].get("orphan", False) for e in ends] == [
        *[True, True, True],
        *[False, False, True],
    ]


def test_what_stands_below_a_pair_that_has_ended_is_below_those_above_it() -> None:
    with recording() as (recorder, _):
        _, top = begun(recorder)
        tool = start(recorder, TOOL, top)
        model = start(recorder, MODEL, tool)
        recorder.pairs.end(tool)
        assert recorder.pairs.close_under(tool) == 1
        assert not model.is_open
        assert recorder.pairs.close_under(top) == 0


def test_a_pair_below_ends_by_the_rules_of_its_kind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CHAUKAS_RAISE_INTERNAL")
    with recording() as (recorder, events):
        _, top = begun(recorder)
        pairs: list[Pair] = []

        def answered() -> None:
            recorder.pairs.end(pairs[0], {}, metadata={"closed_early": True})

        def broken() -> None:
            raise ValueError("ours")

        pairs.append(start(recorder, AGENT, top, agent=ONE, on_close=answered))
        start(recorder, AGENT, top, agent=TWO, on_close=broken)
        start(recorder, TOOL, top, on_close=list)
        assert recorder.pairs.close_under(top) == 3
        recorder.pairs.end(top)
    ends = [e for e in events() if e["type"].endswith("_END")]
    assert told(ends) == [
        ("TOOL_CALL_END", "root", "CANCELLED"),
        ("AGENT_END", "two", "CANCELLED"),
        ("AGENT_END", "one", "COMPLETED"),
        ("AGENT_END", "root", "COMPLETED"),
    ]
    assert ends[2]["metadata"]["closed_early"] is True


# --- errors ------------------------------------------------------------------------


def test_an_error_that_is_told_late_has_the_time_at_which_it_happened() -> None:
    at_ns = 1_767_225_600_123_456_000
    with recording() as (recorder, events):
        recorder.error(run(), ValueError("early"), "p" * 16, at_ns=at_ns)
    [event] = events()
    assert event["timestamp"] == timestamp_of(at_ns)


def test_an_error_may_be_on_record_without_an_event_of_its_own() -> None:
    error, wrapper = ValueError("the tool's own"), RuntimeError("around it")
    wrapper.__cause__ = error
    with recording() as (recorder, events):
        outer = run()
        inner = run(parent=Node(outer, "p" * 16, "tool"))
        recorder.note_reported(inner, error)
        recorder.error(inner, error, "p" * 16)
        recorder.error(outer, wrapper, "p" * 16)
        recorder.error(outer, ValueError("another"), "p" * 16)
    [event] = events()
    assert event["error"]["error_message"] == "another"


def test_a_failure_that_may_be_retried_is_found_by_its_error() -> None:
    error, wrapper = ValueError("root"), RuntimeError("around it")
    wrapper.__cause__ = error
    with recording() as (recorder, _):
        inside, top = begun(recorder)
        model = start(recorder, MODEL, top)
        assert inside.pair_that_holds(error) is None
        model.hold(error)
        assert inside.pair_that_holds(error) is model
        assert inside.pair_that_holds(wrapper) is model
        assert inside.pair_that_holds(ValueError("root")) is None
        again = start(recorder, MODEL, top)
        again.hold(error)
        assert inside.pair_that_holds(error) is again
        again.hold(None)
        assert inside.pair_that_holds(error) is model
        recorder.pairs.end(model)
        assert inside.pair_that_holds(error) is None
