"""
What recording a crew costs the host's threads, counted: calls need no quiet machine.

The ceilings are a little above what was counted last; lower them with the code.
"""

from __future__ import annotations

from typing import Any

from counting import counted
from tests.frameworks.crewai.scripted import agent, call, crew, recorded, task
from tests.frameworks.crewai.test_tools import add


def _crew() -> Any:
    calls = [[call("add", {"a": n, "b": 2}, f"c{n}")] for n in range(3)]
    first = agent(*calls, "three", role="first", tools=[add])
    return crew(task(first, "Add {a}"), task(agent("six", role="second")), cache=False)


def _calls_of_a_run() -> int:
    """Return how many functions of chaukas a crew calls, in all threads of CrewAI."""
    # What is done once for a process is done.
    _crew().kickoff(inputs={"a": 1})
    given = _crew()
    with counted(in_new_threads=True) as calls:
        given.kickoff(inputs={"a": 1})
    return calls.own()


def test_an_event_of_a_crew_costs_the_host_few_calls() -> None:
    with recorded() as events:
        _crew().kickoff(inputs={"a": 1})
    counted = [each for each in events() if not _is_of_chaukas(each)]
    assert len(counted) > 20
    with recorded():
        calls = _calls_of_a_run()
    assert calls / len(counted) <= 74


def test_a_crew_that_is_left_out_costs_the_host_next_to_nothing() -> None:
    with recorded(sample_rate=0):
        calls = _calls_of_a_run()
    assert calls <= 520


def _is_of_chaukas(event: Any) -> bool:
    return "SYSTEM" in event["type"] or "SESSION" in event["type"]
