"""
The test of the layout: a small framework gets a whole integration in few lines.

Trees of everything that the framework does, its results beside those without chaukas,
and the size of the integration itself.
"""

from __future__ import annotations

import asyncio
import inspect
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from chaukas.sdk import _runtime
from chaukas.sdk.testing import FakeClock, SequentialIds, capture_events
from tests.support.trees import named, only, tree, tree_of
from tests.toy.framework import (
    Agent,
    Answer,
    Call,
    Model,
    RefusedError,
    Runner,
    Tool,
    TooManyTurnsError,
    Usage,
)
from tests.toy.integration import ToyWrapper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chaukas.sdk.typing import Event

HERE = Path(__file__).parent
LINES = 250
BYE = Answer("It is three", usage=Usage(7, 3), id="r9")


@contextmanager
def recorded(**settings: Any) -> Iterator[Callable[[], list[Event]]]:
    """Record the toy framework for a block."""
    options: dict[str, Any] = {"clock": FakeClock(), "ids": SequentialIds(), **settings}
    with capture_events(integrations=["tenacity"], **options) as events:
        host = _runtime.active()
        assert host is not None
        wrapper = ToyWrapper(host)
        wrapper.install()
        assert not wrapper.missing()
        try:
            yield events
        finally:
            wrapper.uninstall()


def add(a: int, b: int) -> int:
    """Add."""
    return a + b


def broken() -> None:
    """Fail."""
    raise ValueError("no such number")


def calculator(*answers: Any, **more: Any) -> Agent:
    tools = [Tool("add", add), Tool("broken", broken)]
    return Agent("calc", Model("toy-1", list(answers)), "Add up", tools, **more)


TWO_CALLS = Answer(
    "",
    [Call("add", {"a": 1, "b": 2}, "c1"), Call("add", {"a": 3, "b": 4}, "c2")],
    Usage(5, 2),
    "r1",
)


def test_an_integration_has_fewer_than_250_lines() -> None:
    lines = (HERE / "integration.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) < LINES


def test_a_run_with_tools_is_one_tree() -> None:
    with recorded() as events:
        assert Runner("chat").run(calculator(TWO_CALLS, BYE), "1 + 2?") == "It is three"
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT calc
            INPUT
            MODEL
            TOOL add x2
            MODEL
            OUTPUT
        """
    )
    end = only(events(), "AGENT_END")
    assert end["metadata"]["run"] == {
        "outcome": "completed",
        "duration_ms": end["metadata"]["run"]["duration_ms"],
        "agents": 1,
        "model_calls": 2,
        "price": "unknown",
        "usage": {
            "input_tokens": 12,
            "output_tokens": 5,
            "requests": 2,
            "total_tokens": 17,
        },
    }
    assert only(events(), "SESSION_START")["session_id"] == "chat"
    tools = {
        start["tool_call"]["tool_id"]: start["tool_call"]["arguments"]
        for start in named(events(), "TOOL_CALL_START")
    }
    assert tools == {"c1": {"a": 1, "b": 2}, "c2": {"a": 3, "b": 4}}
    second = named(events(), "MODEL_INVOCATION_START")[1]["llm_invocation"]["request"]
    assert second["input_omitted"] == 1


@pytest.mark.parametrize("kind", ["arun", "stream", "astream"])
def test_runs_of_each_kind_are_recorded_alike(kind: str) -> None:
    async def collected(pieces: Any) -> list[str]:
        return [piece async for piece in pieces]

    with recorded() as events:
        given = getattr(Runner("chat"), kind)(calculator(BYE), "1 + 2?")
        if kind == "arun":
            assert asyncio.run(given) == "It is three"
        elif kind == "stream":
            assert list(given) == ["It", "is", "three"]
        else:
            assert asyncio.run(collected(given)) == ["It", "is", "three"]
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT calc
            INPUT
            MODEL
            OUTPUT
        """
    )
    assert only(events(), "OUTPUT_EMITTED")["message"]["text"] == "It is three"


def test_a_stream_counts_its_chunks() -> None:
    with recorded() as events:
        list(Runner().stream(calculator(BYE), "1 + 2?"))
    call = only(events(), "MODEL_INVOCATION_END")["llm_invocation"]
    assert call["chunk_count"] == 3
    assert call["time_to_first_token_ms"] > 0


def test_a_stream_that_is_left_early_is_cancelled() -> None:
    with recorded() as events:
        pieces = Runner().stream(calculator(BYE), "1 + 2?")
        assert next(pieces) == "It"
        pieces.close()
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT calc CANCELLED
            INPUT
            MODEL CANCELLED
        """
    )


def test_a_retry_stands_inside_its_model_call() -> None:
    with recorded() as events:
        Runner().run(calculator(RefusedError("slow down"), BYE), "1 + 2?")
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT calc
            INPUT
            MODEL
              RETRY toy 1/2
            OUTPUT
        """
    )
    retry = only(events(), "RETRY")["retry"]
    assert retry["metadata"]["status"] == 429
    end = only(events(), "MODEL_INVOCATION_END")
    assert end["llm_invocation"]["metadata"]["attempts"] == 2


def test_a_handoff_ends_one_agent_and_starts_the_next() -> None:
    ask = Answer("", [Call("calc")], Usage(1, 1), "r0")
    triage = Agent("triage", Model("toy-0", [ask]), others=[calculator(BYE)])
    with recorded() as events:
        Runner().run(triage, "1 + 2?")
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT triage
            INPUT
            MODEL
            HANDOFF triage -> calc
          AGENT calc
            MODEL
            OUTPUT
        """
    )


def test_an_error_of_a_tool_ends_the_run_and_is_recorded_once() -> None:
    with recorded() as events, pytest.raises(ValueError, match="no such number"):
        Runner().run(calculator(Answer("", [Call("broken")])), "1 + 2?")
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT calc FAILED
            INPUT
            MODEL
            TOOL broken FAILED
              ERROR ValueError
        """
    )


def test_an_error_of_the_runner_stands_under_its_agent() -> None:
    again = [Answer("", [Call("add", {"a": 1, "b": 1})]) for _ in range(8)]
    with recorded() as events, pytest.raises(TooManyTurnsError):
        Runner().run(calculator(*again), "1 + 2?")
    error = only(events(), "ERROR")
    assert error["parent_span_id"] == only(events(), "AGENT_START")["span_id"]


def test_a_run_inside_a_tool_stands_under_that_tool() -> None:
    inner = Agent("inner", Model("toy-2", [Answer("four")]))
    ask = Tool("ask", lambda: Runner().run(inner, "2 + 2?"))
    outer = Agent("outer", Model("toy-1", [Answer("", [Call("ask")]), BYE]), "", [ask])
    with recorded() as events:
        Runner().run(outer, "ask them")
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT outer
            INPUT
            MODEL
            TOOL ask
              AGENT inner
                MODEL
            MODEL
            OUTPUT
        """
    )


def test_runs_side_by_side_do_not_mix() -> None:
    async def both() -> list[str]:
        runs = (Runner(f"s{n}").arun(calculator(TWO_CALLS, BYE), "?") for n in "ab")
        return list(await asyncio.gather(*runs))

    with recorded() as events:
        assert asyncio.run(both()) == ["It is three"] * 2
    # Both alike.
    assert tree_of(events()) == tree(
        """
        SESSION x2
          AGENT calc
            INPUT
            MODEL
            TOOL add x2
            MODEL
            OUTPUT
        """
    )


def test_a_run_that_is_sampled_out_leaves_nothing() -> None:
    with recorded(sample_rate=0.0) as events:
        assert Runner().run(calculator(TWO_CALLS, BYE), "1 + 2?") == "It is three"
    assert {e["type"] for e in events()} == {"EVENT_TYPE_SYSTEM"}


def test_functions_answer_as_before_and_come_back() -> None:
    before = {name: vars(Runner)[name] for name in ("run", "arun", "stream", "astream")}
    with recorded():
        assert inspect.iscoroutinefunction(Runner.arun)
        assert inspect.isgeneratorfunction(Runner.stream)
        assert inspect.isasyncgenfunction(Runner.astream)
        assert inspect.signature(Runner.run) == inspect.signature(before["run"])
    assert {name: vars(Runner)[name] for name in before} == before
