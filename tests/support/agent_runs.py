"""
Run agents as applications do, in every way that the SDK offers, and watch.

A scenario is a plain function that plays one story and returns what the application
would see. It knows nothing of chaukas, so that it can be played with and without.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import pytest
from agents import Runner
from agents.testing import assistant_message, function_call

import chaukas.sdk
from chaukas.sdk.testing import capture_events

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.sdk.typing import Event

__all__ = (
    "MODES",
    "Mode",
    "Recording",
    "calls",
    "in_loop",
    "modes",
    "outcome_of",
    "play",
    "record",
    "run_in",
    "say",
)


class Mode(Enum):
    """How an application runs an agent."""

    RUN = "run"
    STREAMED = "streamed"
    SYNC = "sync"


MODES = tuple(Mode)
"""All of them."""
modes = pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
"""For tests that hold in each of them."""
in_loop = pytest.mark.parametrize(
    "mode", [Mode.RUN, Mode.STREAMED], ids=lambda mode: mode.value
)
"""For tests that run in a loop of their own."""


@dataclass(frozen=True)
class Recording:
    """
    What came of a scenario.

    Args:
        events: All events, those of the end included.
        value: What it returned.
        error: What it raised instead.
    """

    events: list[Event]
    value: Any = None
    error: BaseException | None = None


def play(mode: Mode, agent: Any, given: Any = "Hi", **options: Any) -> Any:
    """Run *agent* on *given* in this *mode*, in a loop of its own."""
    if mode is Mode.SYNC:
        return _play_sync(agent, given, options)
    return asyncio.run(run_in(mode, agent, given, **options))


async def run_in(mode: Mode, agent: Any, given: Any = "Hi", **options: Any) -> Any:
    """Run *agent*, inside a loop."""
    if mode is Mode.RUN:
        return await Runner.run(agent, given, **options)
    result = Runner.run_streamed(agent, given, **options)
    async for _ in result.stream_events():
        pass
    return result


def _play_sync(agent: Any, given: Any, options: dict[str, Any]) -> Any:
    loop = asyncio.new_event_loop()
    # The SDK looks for the thread's own loop, and leaves it open for the next run.
    asyncio.set_event_loop(loop)
    try:
        return Runner.run_sync(agent, given, **options)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        asyncio.set_event_loop(None)


def outcome_of(
    scenario: Callable[[], Any],
) -> tuple[Any, BaseException | None]:
    """Return what *scenario* returned, or what it raised."""
    try:
        value = scenario()
        if asyncio.iscoroutine(value):
            value = asyncio.run(value)
    except (Exception, asyncio.CancelledError) as error:
        return None, error
    return value, None


def record(scenario: Callable[[], Any], **settings: Any) -> Recording:
    """Play *scenario* with chaukas enabled; fail the test if an event was lost."""
    with capture_events(**settings) as events:
        value, error = outcome_of(scenario)
        dropped = chaukas.sdk.stats().dropped
    assert not dropped, f"events were lost: {dropped}"
    return Recording(events(), value, error)


def say(text: str) -> Any:
    """Return a model's step: an answer."""
    return [assistant_message(text)]


def calls(*wanted: tuple[str, Any], first: int = 1) -> Any:
    """Return a model's step: function calls, `call_1`, `call_2` and so on."""
    return [
        function_call(name, arguments, call_id=f"call_{number}")
        for number, (name, arguments) in enumerate(wanted, first)
    ]
