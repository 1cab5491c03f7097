"""A recorded run leaves nothing that only the garbage collector could free."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

from chaukas.sdk.testing import capture_events

if TYPE_CHECKING:
    from collections.abc import Callable

from agents import Agent, Runner, function_tool
from agents.testing import ScriptedModel, assistant_message, function_call


@function_tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def _agent() -> Agent[Any]:
    script = [
        [function_call("add", {"a": 1, "b": 2}, call_id="c1")],
        [assistant_message("3")],
    ]
    return Agent(name="sums", model=ScriptedModel(script), tools=[add])


async def _run() -> None:
    await Runner.run(_agent(), "1 + 2?")


def _garbage(run: Callable[[], Any]) -> set[str]:
    """Return the classes of chaukas of which ten runs left unreachable objects."""

    async def several() -> None:
        for _ in range(10):
            await run()

    asyncio.run(several())
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        asyncio.run(several())
        gc.collect()
        return {
            f"{type(item).__module__}.{type(item).__qualname__}"
            for item in gc.garbage
            if type(item).__module__.startswith("chaukas")
        }
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def test_a_run_leaves_no_cycle() -> None:
    """
    All that chaukas made for a run is freed with the run.

    Not so when it is streamed: there the SDK's own result and task are a cycle.
    """
    with capture_events():
        left = _garbage(_run)

    assert set() == left
