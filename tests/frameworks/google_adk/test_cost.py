"""
What recording costs the host's thread, counted: calls do not depend on the machine.

The ceilings are a little above what was counted last, with the newest release; lower
them with the code.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from google.adk.agents.run_config import RunConfig, StreamingMode

from chaukas.sdk.testing import capture_events
from counting import counted
from tests.frameworks.google_adk.support import (
    RELEASE,
    add,
    agent,
    ask,
    new_session,
    runner_of,
)

pytestmark = pytest.mark.skipif(RELEASE < (2, 13), reason="counted with 2.13")

SSE = RunConfig(streaming_mode=StreamingMode.SSE)
CHUNKS = 200
CONFIGS = {"a stream": SSE}
AGENTS: dict[str, Any] = {
    "one call": lambda: agent("hello"),
    "three tools": lambda: agent(
        [("add", {"a": number, "b": 1}) for number in range(3)], "six", tools=[add]
    ),
    "a stream": lambda: agent("word " * CHUNKS),
}


def calls_of(name: str, **settings: Any) -> tuple[int, int]:
    """Return how many functions of chaukas a run calls, and its events."""

    async def main() -> int:
        total = 0
        # What is done once for a process is done by the second time.
        for _ in range(2):
            runner = runner_of(AGENTS[name]())
            session = await new_session(runner)
            with counted() as calls:
                await ask(runner, "hi", session, run_config=CONFIGS.get(name))
            total = calls.own()
        return total

    # With the clock and the ids of a process, which call less than those of tests.
    with capture_events(integrations=["google_adk"], **settings) as events:
        count = asyncio.run(main())
    told = [each for each in events() if each["type"] != "EVENT_TYPE_SYSTEM"]
    return count, len(told) // 2


@pytest.mark.parametrize(
    ("name", "events", "ceiling"), [("one call", 8, 72), ("three tools", 16, 77)]
)
def test_an_event_costs_the_host_few_calls(
    name: str, events: int, ceiling: int
) -> None:
    calls, count = calls_of(name)
    assert count == events
    assert calls / count <= ceiling


def test_a_chunk_costs_the_host_few_calls() -> None:
    calls, _ = calls_of("a stream")
    whole, _ = calls_of("one call")
    assert (calls - whole) / CHUNKS <= 20


def test_a_run_that_is_left_out_costs_the_host_next_to_nothing() -> None:
    calls, count = calls_of("three tools", sample_rate=0)
    assert calls <= 215
    assert count == 0
