"""
What recording costs the host's thread, counted: calls do not depend on the machine.

The ceilings are a little above what was counted last, with the newest release; lower
them with the code.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest
from google.adk.agents.run_config import RunConfig, StreamingMode

from chaukas.sdk.testing import capture_events
from tests.frameworks.google_adk.support import (
    RELEASE,
    add,
    agent,
    ask,
    new_session,
    runner_of,
)

if TYPE_CHECKING:
    from types import FrameType

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
    count = 0

    def note(frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal count
        count += event == "call" and "/chaukas/sdk/" in frame.f_code.co_filename

    async def main() -> None:
        for is_warm in (False, True):
            runner = runner_of(AGENTS[name]())
            session = await new_session(runner)
            # What is done once for a process is done by then.
            sys.setprofile(note if is_warm else None)
            try:
                await ask(runner, "hi", session, run_config=CONFIGS.get(name))
            finally:
                sys.setprofile(None)

    # With the clock and the ids of a process, which call less than those of tests.
    with capture_events(integrations=["google_adk"], **settings) as events:
        asyncio.run(main())
    told = [each for each in events() if each["type"] != "EVENT_TYPE_SYSTEM"]
    return count, len(told) // 2


@pytest.mark.parametrize(
    ("name", "events", "ceiling"), [("one call", 8, 72), ("three tools", 16, 76)]
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
