"""Runs and tools of any framework: the trees that they record, whatever happens."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from chaukas.sdk import _runtime
from chaukas.sdk.integrations.shared.runs import AgentRun, Runs
from chaukas.sdk.integrations.shared.tools import Tools
from chaukas.sdk.record.context import CURRENT, AgentRef, Node, reset
from chaukas.sdk.record.retries import fingerprint_of
from chaukas.sdk.testing import FakeClock, SequentialIds, capture_events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chaukas.sdk.typing import Event

ONE, TWO = AgentRef("one", "One"), AgentRef("two", "Two")


class Framework:
    """What an integration is given, and what it recorded."""

    def __init__(self, events: Callable[[], list[Event]]) -> None:
        host = _runtime.active()
        assert host is not None
        self.runs = Runs(host, "toy")
        self.tools = Tools(host)
        self._events = events

    def begin(self, text: str = "Hello") -> AgentRun:
        run = self.runs.open(AgentRun, session_id="chat", agent=ONE)
        self.runs.start_agent(run, ONE, {"model": "m", "instructions": "Be kind"})
        self.runs.note_retry(run, fingerprint_of(text))
        self.runs.note_input(run, [text])
        return run

    def lines(self) -> list[str]:
        """Type, status and what is under what, as one line each."""
        found = [e for e in self._events() if e["type"] != "EVENT_TYPE_SYSTEM"]
        names = {"": "-"}
        lines = []
        for event in found:
            kind = event["type"].removeprefix("EVENT_TYPE_")
            span_id = event["span_id"]
            names.setdefault(span_id, kind.rpartition("_")[0])
            under = names[event.get("parent_span_id", "")]
            status = event["status"].removeprefix("EVENT_STATUS_")
            lines.append(f"{kind} {status} under {under}")
        return lines

    def last(self, kind: str) -> Event:
        return [e for e in self._events() if e["type"] == f"EVENT_TYPE_{kind}"][-1]


@contextmanager
def recording(**settings: Any) -> Iterator[Framework]:
    options: dict[str, Any] = {"clock": FakeClock(), "ids": SequentialIds(), **settings}
    with capture_events(integrations=["tenacity"], **options) as events:
        yield Framework(events)


BEGUN = [
    "SESSION_START STARTED under -",
    "AGENT_START STARTED under SESSION",
    "INPUT_RECEIVED COMPLETED under AGENT",
]


def test_a_run_with_a_tool_and_a_handoff_is_one_tree() -> None:
    with recording() as toy:
        run = toy.begin()
        call = toy.tools.begin(run, "add", "c1", {"a": 1})
        toy.tools.end(call, 3)
        toy.runs.hand_off(run, TWO, {"model": "m"}, reason="ask", data={"why": "x"})
        text = toy.runs.note_output(run, "Bye")
        toy.runs.finish(run, None, {"output": text})
    assert toy.lines() == [
        *BEGUN,
        "TOOL_CALL_START STARTED under AGENT",
        "TOOL_CALL_END COMPLETED under AGENT",
        "AGENT_HANDOFF COMPLETED under AGENT",
        "AGENT_END COMPLETED under SESSION",
        "AGENT_START STARTED under SESSION",
        "OUTPUT_EMITTED COMPLETED under AGENT",
        "AGENT_END COMPLETED under SESSION",
        "SESSION_END COMPLETED under -",
    ]
    end = toy.last("AGENT_END")
    assert end["agent_id"] == "two"
    assert end["metadata"]["output"] == "Bye"
    facts = end["metadata"]["run"]
    assert facts.pop("duration_ms", 0) >= 0
    assert facts == {"outcome": "completed", "agents": 2}
    assert toy.last("AGENT_HANDOFF")["agent_handoff"] == {
        "from_agent_id": "one",
        "from_agent_name": "One",
        "to_agent_id": "two",
        "to_agent_name": "Two",
        "reason": "ask",
        "handoff_type": "sequential",
        "handoff_data": {"why": "x"},
    }


def test_a_failed_tool_ends_its_run_with_one_error() -> None:
    error = ValueError("no such number")
    with recording() as toy:
        run = toy.begin()
        toy.tools.fail(toy.tools.begin(run, "add"), error)
        toy.runs.finish(run, error)
        toy.runs.finish(run, None)
    assert toy.lines() == [
        *BEGUN,
        "TOOL_CALL_START STARTED under AGENT",
        "ERROR FAILED under TOOL_CALL",
        "TOOL_CALL_END FAILED under AGENT",
        "AGENT_END FAILED under SESSION",
        "SESSION_END COMPLETED under -",
    ]


def test_a_tool_error_that_the_model_is_told_of_is_recoverable() -> None:
    with recording() as toy:
        run = toy.begin()
        call = toy.tools.begin(run, "add")
        toy.tools.fail(call, ValueError("no"), recoverable=True)
        toy.runs.finish(run)
    error = toy.last("ERROR")["error"]
    assert error.pop("stack_trace")
    assert error == {
        "error_message": "no",
        "error_code": "ValueError",
        "recoverable": True,
        "recovery_action": "returned to the model as a result",
    }
    assert toy.lines()[-3:] == [
        "TOOL_CALL_END FAILED under AGENT",
        "AGENT_END COMPLETED under SESSION",
        "SESSION_END COMPLETED under -",
    ]
    assert sum(line.startswith("ERROR") for line in toy.lines()) == 1


@pytest.mark.parametrize("how", ["cancelled", "given up"])
def test_nothing_of_a_run_stays_open(how: str) -> None:
    with recording() as toy:
        run = toy.begin()
        toy.tools.begin(run, "add")
        if how == "cancelled":
            toy.runs.finish(run, asyncio.CancelledError())
        else:
            toy.runs.abandon(run)
    assert toy.lines() == [
        *BEGUN,
        "TOOL_CALL_START STARTED under AGENT",
        "TOOL_CALL_END CANCELLED under AGENT",
        "AGENT_END CANCELLED under SESSION",
        "SESSION_END COMPLETED under -",
    ]


def test_a_run_inside_of_a_tool_has_no_input_and_no_output() -> None:
    with recording() as toy:
        outer = toy.begin()
        call = toy.tools.begin(outer, "ask")
        assert call.pair is not None
        token = CURRENT.set(Node(outer, call.pair.span_id, "tool", call))
        try:
            inner = toy.runs.open(AgentRun)
            toy.runs.start_agent(inner, TWO)
            toy.runs.note_output(inner, "inside")
            toy.runs.finish(inner)
        finally:
            reset(token)
        toy.tools.end(call, "inside")
        toy.runs.finish(outer)
    assert toy.lines() == [
        *BEGUN,
        "TOOL_CALL_START STARTED under AGENT",
        "AGENT_START STARTED under TOOL_CALL",
        "AGENT_END COMPLETED under TOOL_CALL",
        "TOOL_CALL_END COMPLETED under AGENT",
        "AGENT_END COMPLETED under SESSION",
        "SESSION_END COMPLETED under -",
    ]
    assert toy.last("AGENT_START")["metadata"]["framework"] == "toy"


def test_the_same_run_after_a_failure_is_a_retry() -> None:
    with recording() as toy:
        toy.runs.finish(toy.begin("again"), TimeoutError("timed out"))
        toy.runs.finish(toy.begin("again"))
    assert toy.last("RETRY")["retry"]["error_message"] == "timed out"
    assert toy.last("RETRY")["retry"]["metadata"] == {
        "layer": "application",
        "error_code": "TimeoutError",
    }


def test_another_configuration_of_an_agent_is_a_state_update() -> None:
    with recording() as toy:
        for model in ("m", "n"):
            run = toy.runs.open(AgentRun)
            toy.runs.start_agent(run, ONE, {"model": model})
            toy.runs.finish(run)
    assert toy.last("STATE_UPDATE")["state_update"] == {
        "agent": {"model": {"old": "m", "new": "n"}}
    }


def test_a_declared_retrieval_is_a_data_access() -> None:
    with recording(data_access_tools=["find"]) as toy:
        run = toy.begin()
        call = toy.tools.begin(run, "find", "c1", {"q": "cats"})
        toy.tools.end(call, [{"id": "d1", "score": 0.5}])
        toy.runs.finish(run)
    assert toy.last("DATA_ACCESS")["data_access"] == {
        "datasource": "find",
        "document_ids": ["d1"],
        "metadata": {
            "tool_call_id": "c1",
            "declared": True,
            "arguments": {"q": "cats"},
            "count": 1,
            "scores": [0.5],
        },
    }
