"""Errors that wait, loops seen by their operation, calls of overridden methods."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from chaukas.sdk import _runtime
from chaukas.sdk.integrations.shared.nested.loops import Loop
from chaukas.sdk.integrations.shared.nested.pending_errors import PendingErrors
from chaukas.sdk.integrations.shared.nested.runs import NestedRun, NestedRuns
from chaukas.sdk.integrations.shared.observe import Noted, observe, outermost
from chaukas.sdk.patching import MonkeyPatcher, Patch
from chaukas.sdk.record.context import CURRENT, AgentRef, reset
from chaukas.sdk.testing import FakeClock, SequentialIds, capture_events
from tests.support.trees import named, only, tree, tree_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaukas.sdk.typing import Event


class Recorded:
    """Runs inside of one another, made by hand."""

    def __init__(self, events: Any) -> None:
        self.events = events
        self.host: Any = _runtime.active()
        self.runs = NestedRuns(self.host, "toy")
        self.recorder = self.host.recorder

    def tree(self) -> str:
        """End the session, and draw what was recorded."""
        self.host.sessions.end(None)
        return tree_of(self.events())

    def begin(self, name: str) -> Any:
        run = self.runs.open(NestedRun)
        return self.runs.begin(run, AgentRef(name, name), {}, [name], output_of=str)


@pytest.fixture
def toy() -> Iterator[Recorded]:
    with capture_events(
        integrations=["tenacity"], clock=FakeClock(), ids=SequentialIds()
    ) as events:
        yield Recorded(events)


def inside(outer: Any, begin: Any) -> Any:
    token = CURRENT.set(outer.node)
    try:
        return begin()
    finally:
        reset(token)


def test_an_error_that_goes_outward_is_one_error_of_the_innermost_run(
    toy: Recorded,
) -> None:
    outer = toy.begin("outer")
    inner = inside(outer, lambda: toy.begin("inner"))
    error = ValueError("no")
    inner.failed(error)
    wrapped = RuntimeError("outer says no")
    wrapped.__cause__ = error
    outer.failed(wrapped)
    assert toy.tree() == tree(
        """
        SESSION
          AGENT outer FAILED
            INPUT
            AGENT inner FAILED
              ERROR ValueError
        """
    )


def test_an_error_that_the_outer_run_handles_is_recoverable(toy: Recorded) -> None:
    outer = toy.begin("outer")
    inside(outer, lambda: toy.begin("inner")).failed(ValueError("no"))
    outer.ended("well")
    assert toy.tree() == tree(
        """
        SESSION
          AGENT outer
            INPUT
            AGENT inner FAILED
              ERROR ValueError recoverable
            OUTPUT
        """
    )


def test_a_run_that_goes_on_ends_with_the_one_around_it(toy: Recorded) -> None:
    outer = toy.begin("outer")
    inner = inside(outer, lambda: toy.begin("inner"))
    outer.ended("well")
    inner.failed(ValueError("late"))
    assert toy.tree() == tree(
        """
        SESSION
          AGENT outer
            INPUT
            AGENT inner CANCELLED
            OUTPUT
        """
    )


def test_a_run_counts_the_agents_inside_of_it(toy: Recorded) -> None:
    outer = toy.begin("outer")
    for name in ("one", "two"):
        inside(outer, lambda name=name: toy.begin(name)).ended("well")
    outer.ended("well")
    *_, end = named(toy.events(), "AGENT_END")
    assert end["metadata"]["run"]["agents"] == 3


def test_what_happens_outside_of_any_run_stands_alone(toy: Recorded) -> None:
    place = toy.runs.here()
    assert place.is_alone
    assert place.errors is None
    place.close()
    assert place.run.is_ended


def test_more_errors_than_can_be_held_are_told_at_once(toy: Recorded) -> None:
    outer = toy.begin("outer")
    errors = PendingErrors()
    kept = [ValueError(str(number)) for number in range(65)]
    for error in kept:
        errors.hold(toy.recorder, outer.run, error, outer.run.agent_span_id)
    assert len(named(toy.events(), "ERROR")) == 1
    errors.settle(toy.recorder, action="handled")
    told: list[Event] = named(toy.events(), "ERROR")
    assert len(told) == 65
    assert all(each["error"]["recoverable"] for each in told)
    outer.ended("well")


def test_a_loop_is_seen_by_the_operation_that_it_repeats(toy: Recorded) -> None:
    outer = toy.begin("outer")
    span_id = outer.run.agent_span_id
    loop = Loop(toy.recorder, outer.run, span_id, layer="toy", limit=2)
    results: list[Any] = [ValueError("busy"), "well"]

    def operation() -> Any:
        result = results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    observed = loop.observed(operation)
    with pytest.raises(ValueError, match="busy"):
        observed()
    assert observed() == "well"
    outer.ended("well")
    retry = only(toy.events(), "RETRY")["retry"]
    assert (retry["attempt"], retry["max_attempts"]) == (1, 2)
    assert retry["backoff_ms"] > 0
    assert retry["error_message"] == "busy"


def test_a_loop_of_coroutines_is_seen_as_well(toy: Recorded) -> None:
    outer = toy.begin("outer")
    loop = Loop(toy.recorder, outer.run, outer.run.agent_span_id, layer="toy")

    async def operation() -> None:
        if loop.attempts == 1:
            raise ValueError("busy")

    async def both() -> None:
        observed = loop.observed_async(operation)
        with pytest.raises(ValueError, match="busy"):
            await observed()
        await observed()

    asyncio.run(both())
    outer.ended("well")
    assert only(toy.events(), "RETRY")["retry"]["metadata"]["layer"] == "toy"


class Base:
    def work(self) -> str:
        return "base"


class Derived(Base):
    def work(self) -> str:
        return f"derived from {super().work()}"


def test_an_override_and_what_it_reaches_are_one_call() -> None:
    seen: list[Any] = []
    wrap = outermost("work", observe(lambda *_: Noted(seen.append)))
    patcher = MonkeyPatcher()
    patcher.install(Patch(f"{__name__}:Base.work", wrap, subclasses=True))
    try:
        assert Derived().work() == "derived from base"
        assert Base().work() == "base"
    finally:
        patcher.undo_all()
    assert seen == ["derived from base", "base"]
