"""Workflows of ADK: graphs of functions, tools and agents; nodes tried again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.frameworks.google_adk.support import (
    RELEASE,
    agent,
    ask,
    play,
    runner_of,
    shape,
    tree_of,
)
from tests.support.trees import named, only, tree

if RELEASE < (2, 0):
    pytest.skip("workflows came with 2.0", allow_module_level=True)

from google.adk.workflow import START, FunctionNode, RetryConfig, Workflow


def up(node_input: Any) -> str:
    """Return what came in, louder."""
    text = node_input if isinstance(node_input, str) else "hi"
    return text.upper()


def test_a_function_and_then_an_agent() -> None:
    edges = [(START, up, agent("word", name="wa"))]
    events = play(ask(runner_of(Workflow(name="wf", edges=edges))))
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT wf
            INPUT
            TOOL up
            AGENT wa
              MODEL
              OUTPUT
        """
    )
    assert named(events, "AGENT_START")[0]["metadata"]["agent_type"] == "workflow"
    tool = only(events, "TOOL_CALL_START")["tool_call"]
    assert tool["metadata"]["type"] == "function_node"
    assert tool["tool_id"] == "up@1"


def test_a_workflow_inside_of_another() -> None:
    inner = Workflow(name="inner", edges=[(START, agent("word", name="ia"))])
    edges = [(START, up, inner)]
    assert shape(ask(runner_of(Workflow(name="wf", edges=edges)))) == tree(
        """
        SESSION
          AGENT wf
            INPUT
            TOOL up
            AGENT inner
              AGENT ia
                MODEL
                OUTPUT
        """
    )


def failing(times: int) -> FunctionNode:
    """Return a node that fails at first."""
    tries: list[int] = []

    def shaky(node_input: Any) -> str:
        """Fail at first."""
        del node_input
        tries.append(1)
        if len(tries) <= times:
            raise ValueError(f"failure {len(tries)}")
        return "good"

    limit = 2 if times > 2 else 3
    retry = RetryConfig(max_attempts=limit, initial_delay=0.05, jitter=0)
    return FunctionNode(func=shaky, name="shaky", retry_config=retry)


def test_a_node_that_works_at_the_third_attempt() -> None:
    workflow = Workflow(name="wf", edges=[(START, failing(2))])
    events = play(ask(runner_of(workflow)))
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT wf
            INPUT
            TOOL shaky
              RETRY framework 1/3
              RETRY framework 2/3
            OUTPUT
        """
    )
    assert only(events, "OUTPUT_EMITTED")["message"]["text"] == "good"


def test_a_node_whose_attempts_are_used_up() -> None:
    workflow = Workflow(name="wf", edges=[(START, failing(9))])
    assert shape(ask(runner_of(workflow))) == tree(
        """
        SESSION
          AGENT wf FAILED
            INPUT
            TOOL shaky FAILED
              RETRY framework 1/2
              ERROR ValueError
        """
    )


@pytest.mark.skipif(RELEASE < (2, 9), reason="it came later")
def test_a_workflow_as_a_tool_of_an_agent() -> None:
    wf = Workflow(name="wf", edges=[(START, up)], description="d", input_schema=str)
    root = agent([("wf", {"request": "q"})], "done", tools=[wf])
    drawn = shape(ask(runner_of(root)))
    assert drawn == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
            TOOL wf
              AGENT wf
                TOOL up
            MODEL
            OUTPUT
        """
    )
