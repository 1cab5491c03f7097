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

from chaukas import sdk as chaukas
from chaukas.sdk.testing import capture_events
from counting import Calls, counted

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


def _calls_of(run: Callable[[], Awaitable[None]]) -> Calls:
    """Return which functions of chaukas a run calls, on its own thread."""

    async def main() -> Calls:
        # What is done once for a process is done.
        await run()
        with counted() as calls:
            await run()
        return calls

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("run", "events", "ceiling"), [(_single, 6, 41), (_tools, 14, 36)]
)
def test_an_event_costs_the_host_few_calls(
    run: Callable[[], Awaitable[None]], events: int, ceiling: int
) -> None:
    with capture_events():
        calls = _calls_of(run)
    assert calls.own() / events <= ceiling
    # It is made room for and handed over, at most once each.
    assert calls.meeting() / events <= 4


@pytest.mark.parametrize(("run", "ceiling"), [(_single, 82), (_tools, 120)])
def test_a_run_that_is_left_out_costs_the_host_next_to_nothing(
    run: Callable[[], Awaitable[None]], ceiling: int
) -> None:
    with capture_events(sample_rate=0) as events:
        calls = _calls_of(run)
        chaukas.flush()
    assert calls.python.total() <= ceiling
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
