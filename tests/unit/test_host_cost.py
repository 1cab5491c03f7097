"""
What recording costs the host's thread, counted: calls do not depend on the machine.

The ceilings are a little above what was counted last; lower them with the code.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from agents import Agent, Runner, function_tool
from agents.testing import ScriptedModel, assistant_message, function_call

from calls import calls_of
from chaukas import sdk as chaukas
from chaukas.sdk.testing import capture_events

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@function_tool
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def _single() -> None:
    model = ScriptedModel([[assistant_message("It is three.")]])
    await Runner.run(Agent(name="Single", model=model), "What is the sum?")


async def _tools() -> None:
    calls = [
        function_call("add", {"a": index, "b": 40}, call_id=f"call_{index}")
        for index in range(3)
    ]
    model = ScriptedModel([calls, [assistant_message("It is three.")]])
    await Runner.run(Agent(name="Tools", model=model, tools=[add]), "Sum?")


def _calls_of(run: Callable[[], Awaitable[None]]) -> int:
    """Return how many functions of chaukas a run calls, on its own thread."""

    async def main() -> int:
        # What is done once for a process is done.
        await run()
        return (await calls_of(run)).python.total()

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("run", "events", "ceiling"), [(_single, 6, 44), (_tools, 14, 40)]
)
def test_an_event_costs_the_host_few_calls(
    run: Callable[[], Awaitable[None]], events: int, ceiling: int
) -> None:
    with capture_events():
        calls = _calls_of(run)
    assert calls / events <= ceiling


@pytest.mark.parametrize(("run", "ceiling"), [(_single, 82), (_tools, 118)])
def test_a_run_that_is_left_out_costs_the_host_next_to_nothing(
    run: Callable[[], Awaitable[None]], ceiling: int
) -> None:
    with capture_events(sample_rate=0) as events:
        calls = _calls_of(run)
        chaukas.flush()
    assert calls <= ceiling
    assert not [event for event in events() if event["type"] != "EVENT_TYPE_SYSTEM"]


def test_nothing_of_a_run_that_is_left_out_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def read(*_args: object, **_kwargs: object) -> None:
        pytest.fail("something of it was read")

    with capture_events(sample_rate=0):
        for path in (
            "integrations.openai_agents.models.wrap.request_of",
            "integrations.openai_agents.runs.wrap.agent_facts",
            "capture.deferred.freeze",
            "record.recorder.Recorder.emit",
        ):
            monkeypatch.setattr(f"chaukas.sdk.{path}", read)
        asyncio.run(_tools())
        monkeypatch.undo()
