"""
The judge of the SDK's own suite is judged here: it must find what is wrong.

Its runs take a quarter of an hour and nearly always find nothing, which a checker that
checks nothing would find as well.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.sdk_suite.balance import faults_of, orphans_of
from tests.sdk_suite.run import compare, outcomes_of, pins_of


def _event(
    kind: str, seq: int, span: str, parent: str | None = None, **more: Any
) -> dict[str, Any]:
    event: dict[str, Any] = {
        "type": f"EVENT_TYPE_{kind}",
        "event_id": f"id-{seq}",
        "span_id": span,
        "trace_id": "t",
        "session_id": "s",
        "tenant_id": "default",
        "timestamp": f"2026-01-01T12:00:00.{seq:06d}Z",
        "metadata": {"chaukas": {"seq": seq, "stream": "one"}},
    }
    if parent is not None:
        event["parent_span_id"] = parent
    return {**event, **more}


def _sound() -> list[dict[str, Any]]:
    return [
        _event("AGENT_START", 1, "a"),
        _event("TOOL_CALL_START", 2, "b", "a"),
        _event("ERROR", 3, "c", "b"),
        _event("TOOL_CALL_END", 4, "b", "a"),
        _event("AGENT_END", 5, "a"),
    ]


def test_a_sound_recording_has_no_faults() -> None:
    assert faults_of(_sound()) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda events: events.pop(3), "has 0 ENDs"),
        (lambda events: events.pop(1), "has no START"),
        (lambda events: events.append({**events[4], "event_id": "x"}), "has 2 ENDs"),
        (lambda events: events.append({**events[0], "event_id": "x"}), "2 times"),
        (lambda events: events[3].update(type="EVENT_TYPE_MCP_CALL_END"), "ended by"),
        (lambda events: events[3].update(trace_id="u"), "another trace_id"),
        (lambda events: events[4].update(timestamp="2026-01-01"), "before it starts"),
        (lambda events: events[2].update(parent_span_id="z"), "does not exist"),
        (lambda events: events[2].update(session_id="z"), "another session"),
        (lambda events: events[1]["metadata"]["chaukas"].update(seq=9), "older than"),
        (lambda events: events[2].update(event_id="id-1"), "is used 2x"),
    ],
)
def test_each_break_of_a_rule_is_found(change: Any, fault: str) -> None:
    events = _sound()
    change(events)
    assert any(fault in one for one in faults_of(events))


def test_an_orphan_is_named_by_its_start() -> None:
    events = _sound()
    events[3]["metadata"]["orphan"] = True
    assert orphans_of(events) == [events[1]]


def test_only_tests_that_came_out_differently_are_named() -> None:
    without = {"a": "passed", "b": "passed", "c": "skipped"}
    with_it = {"a": "passed", "b": "failure", "d": "passed"}
    assert compare(without, with_it) == [
        "b: passed -> failure",
        "c: skipped -> not run",
        "d: not run -> passed",
    ]


def test_the_outcomes_of_a_report_are_read_by_name() -> None:
    report = (
        '<testsuites><testsuite><testcase classname="m" name="a"/>'
        '<testcase classname="m" name="b"><failure message="x"/></testcase>'
        '<testcase classname="m" name="c"><system-out/><skipped/></testcase>'
        "</testsuite></testsuites>"
    )
    assert outcomes_of(report) == {
        "m::a": "passed",
        "m::b": "failure",
        "m::c": "skipped",
    }


def test_a_package_that_the_lock_knows_in_two_versions_is_not_pinned() -> None:
    lock = "".join(
        f'[[package]]\nname = "{name}"\nversion = "{version}"\nsource = {source}\n\n'
        for name, version, source in (
            ("one", "1.0", '{ registry = "r" }'),
            ("two", "1.0", '{ registry = "r" }'),
            ("two", "2.0", '{ registry = "r" }'),
            ("own", "3.0", '{ editable = "." }'),
        )
    )
    assert pins_of(lock) == "one==1.0\n"
