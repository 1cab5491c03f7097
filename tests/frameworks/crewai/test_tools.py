"""Tools of crews: each that runs is one pair, however often and by whatever way."""

from __future__ import annotations

from typing import Any

import pytest
from crewai.hooks import register_before_tool_call_hook
from crewai.tools import BaseTool, tool

from tests.frameworks.crewai.scripted import agent, call, crew, recorded, task, words
from tests.support.trees import named, only, tree, tree_of


@tool("add")
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool("broken")
def broken(a: int = 0) -> int:
    """Fail."""
    raise LookupError("no such number")


class Slowly(BaseTool):
    name: str = "slowly"
    description: str = "Answer by and by."

    async def _run(self, a: int) -> str:
        return f"{a} by and by"


class Doubtful(BaseTool):
    name: str = "doubtful"
    description: str = "Says that it failed."

    def _run(self) -> Any:
        from crewai.tools.tool_failure import ToolFailure

        return ToolFailure(message="nobody is at home")


def fresh(name: str, **fields: Any) -> BaseTool:
    """Return a tool of its own: they count how often they were used."""

    def function(a: int) -> int:
        """Double a number."""
        return 2 * a

    return type(
        "Fresh",
        (BaseTool,),
        {
            "__annotations__": {"name": str, "description": str},
            "name": name,
            "description": "Doubles.",
            "_run": lambda self, a: function(a),
        },
    )(**fields)


def played(*script: Any, tools: list[Any], **fields: Any) -> list[Any]:
    """Kick a crew of one agent with *tools* off, and return the events."""
    with recorded() as events:
        worker = agent(*script, tools=tools, **fields)
        crew(task(worker), cache=fields.get("cache", False)).kickoff()
    return events()


def inside(middle: str) -> str:
    """Return the tree of a crew whose agent has *middle* inside."""
    lines = [f"      {line}" for line in tree(middle).splitlines()]
    head = ["SESSION", "  AGENT crew", "    INPUT", "    AGENT writer"]
    return "\n".join([*head, *lines, "    OUTPUT"])


WITH_TOOL = """
    MODEL
    TOOL add
    MODEL
"""


def test_a_native_call_is_one_tool() -> None:
    events = played([call("add", {"a": 1, "b": 2})], "three", tools=[add])
    assert tree_of(events) == inside(WITH_TOOL)
    start, end = only(events, "TOOL_CALL_START"), only(events, "TOOL_CALL_END")
    assert start["tool_call"] == {
        "tool_name": "add",
        "tool_id": "c1",
        "arguments": {"a": 1, "b": 2},
        "metadata": {"requested_by": "scripted", "turn": 1},
    }
    assert end["tool_response"]["output"] == {"output": 3}


def test_a_coroutine_tool_is_one_tool() -> None:
    events = played([call("slowly", {"a": 1})], "three", tools=[Slowly()])
    assert tree_of(events) == inside(WITH_TOOL.replace("add", "slowly"))
    end = only(events, "TOOL_CALL_END")
    assert end["tool_response"]["output"] == {"output": "1 by and by"}


def test_two_native_calls_of_one_answer_are_two_tools() -> None:
    calls = [call("add", {"a": 1, "b": 2}), call("add", {"a": 3, "b": 4}, "c2")]
    events = played(calls, "ten", tools=[add])
    assert tree_of(events) == inside(
        """
        MODEL
        TOOL add x2
        MODEL
        """
    )
    starts = named(events, "TOOL_CALL_START")
    assert {start["tool_call"]["tool_id"] for start in starts} == {"c1", "c2"}


def test_a_native_tool_that_raises_fails_and_the_model_is_told() -> None:
    events = played([call("broken", {"a": 1})], "sorry", tools=[broken])
    assert tree_of(events) == inside(
        """
        MODEL
        TOOL broken FAILED
          ERROR LookupError recoverable
        MODEL
        """
    )
    end = only(events, "TOOL_CALL_END")
    assert end["tool_response"]["error_message"] == "no such number"


def test_a_tool_that_is_asked_for_in_words_is_one_tool_without_an_id() -> None:
    events = played(
        words("add", {"a": 1, "b": 2}),
        "Thought: I know\nFinal Answer: three",
        tools=[add],
        is_native=False,
    )
    assert tree_of(events) == inside(WITH_TOOL)
    start = only(events, "TOOL_CALL_START")["tool_call"]
    assert "tool_id" not in start
    assert start["arguments"] == {"a": 1, "b": 2}


def test_a_tool_in_words_that_always_raises_runs_six_times_in_one_pair() -> None:
    events = played(
        words("broken", {"a": 1}),
        "Thought: I know\nFinal Answer: sorry",
        tools=[broken],
        is_native=False,
    )
    again = "\n".join(
        f"          ERROR LookupError recoverable\n          RETRY tool {number}/5"
        for number in range(1, 6)
    )
    assert tree_of(events) == inside(
        f"""
        MODEL
        TOOL broken FAILED
{again}
          ERROR LookupError recoverable
        MODEL
        """
    )
    end = only(events, "TOOL_CALL_END")["tool_response"]
    assert end["metadata"]["executions"] == 6


@pytest.mark.parametrize("is_native", [True, False])
def test_a_tool_that_is_not_there_is_one_error(is_native: bool) -> None:
    ask: Any = [call("nothing", {})] if is_native else words("nothing", {"a": 1})
    answer = "sorry" if is_native else "Thought: I know\nFinal Answer: sorry"
    events = played(ask, answer, tools=[add], is_native=is_native)
    shown = tree_of(events)
    assert shown.count("ERROR") == 1
    assert "TOOL" not in shown
    assert only(events, "ERROR")["error"]["recoverable"] is True


def test_arguments_that_do_not_fit_fail_the_tool() -> None:
    events = played([call("add", {"a": "x", "b": 2})], "sorry", tools=[add])
    assert tree_of(events) == inside(
        """
        MODEL
        TOOL add FAILED
          ERROR ValueError recoverable
        MODEL
        """
    )


def test_a_cached_answer_is_a_look_into_the_cache() -> None:
    with recorded() as events:
        worker = agent(
            [call("add", {"a": 1, "b": 2})],
            [call("add", {"a": 1, "b": 2}, "c2")],
            "three",
            tools=[add],
            cache=True,
        )
        crew(task(worker), cache=True).kickoff()
    assert tree_of(events()) == inside(
        """
        MODEL
        TOOL add
        MODEL
        DATA_ACCESS tool_cache
        MODEL
        """
    )


def test_a_tool_that_was_used_too_often_is_denied() -> None:
    once = fresh("once", max_usage_count=1)
    events = played(
        [call("once", {"a": 1})],
        [call("once", {"a": 2}, "c2")],
        "two",
        tools=[once],
        cache=False,
    )
    assert tree_of(events) == inside(
        """
        MODEL
        TOOL once
        MODEL
        POLICY tool_usage_limit deny
        MODEL
        """
    )


def test_a_hook_that_blocks_a_tool_denies_it() -> None:
    register_before_tool_call_hook(lambda _context: False)
    events = played([call("add", {"a": 1, "b": 2})], "sorry", tools=[add])
    assert tree_of(events) == inside(
        """
        MODEL
        POLICY hook:pre_tool_call deny
        MODEL
        """
    )


def test_a_tool_that_returns_a_failure_fails() -> None:
    events = played([call("doubtful", {})], "sorry", tools=[Doubtful()])
    assert tree_of(events) == inside(
        """
        MODEL
        TOOL doubtful FAILED
          ERROR ToolFailed recoverable
        MODEL
        """
    )


def test_a_failure_that_is_to_end_the_run_is_one_error() -> None:
    with recorded() as events:
        worker = agent(
            [call("broken", {"a": 1})],
            "sorry",
            tools=[broken],
            tool_failure_policy="raise",
        )
        with pytest.raises(Exception, match="no such number"):
            crew(task(worker)).kickoff()
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT crew FAILED
            INPUT
            AGENT writer FAILED
              MODEL
              TOOL broken FAILED
                ERROR ToolExecutionFailedError
        """
    )


def test_a_tool_that_asks_a_model_has_it_inside() -> None:
    inner = agent("inner answer").llm

    class Asking(BaseTool):
        name: str = "asking"
        description: str = "Asks."

        def _run(self) -> str:
            return str(inner.call("what?"))

    events = played([call("asking", {})], "done", tools=[Asking()])
    assert tree_of(events) == inside(
        """
        MODEL
        TOOL asking
          MODEL
        MODEL
        """
    )


def test_a_tool_that_kicks_off_a_crew_has_it_inside() -> None:
    class Crewing(BaseTool):
        name: str = "crewing"
        description: str = "Asks others."

        def _run(self) -> str:
            return str(crew(task(agent("by others", role="other"))).kickoff().raw)

    events = played([call("crewing", {})], "done", tools=[Crewing()])
    assert tree_of(events) == inside(
        """
        MODEL
        TOOL crewing
          AGENT crew
            AGENT other
              MODEL
        MODEL
        """
    )


def test_a_crew_that_fails_inside_a_tool_is_one_error_that_is_recoverable() -> None:
    class Crewing(BaseTool):
        name: str = "crewing"
        description: str = "Asks others."

        def _run(self) -> str:
            other = agent(ValueError("no idea"), role="other", max_retry_limit=0)
            return str(crew(task(other)).kickoff().raw)

    events = played([call("crewing", {})], "done", tools=[Crewing()])
    assert tree_of(events) == inside(
        """
        MODEL
        TOOL crewing FAILED
          AGENT crew FAILED
            AGENT other FAILED
              MODEL FAILED
                ERROR ValueError recoverable
        MODEL
        """
    )
