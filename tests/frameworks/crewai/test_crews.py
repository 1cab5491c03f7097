"""Crews: every way to kick one off, and how its tasks follow one another."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.frameworks.crewai.scripted import agent, crew, recorded, task
from tests.support.trees import only, tree, tree_of

ONE = tree(
    """
    SESSION
      AGENT crew
        INPUT
        AGENT writer
          MODEL
        OUTPUT
    """
)


def test_a_crew_with_inputs_is_one_tree() -> None:
    with recorded() as events:
        worker = agent("It is blue")
        done = crew(task(worker, "Say {what}")).kickoff(inputs={"what": "sky"})
    assert done.raw == "It is blue"
    assert tree_of(events()) == ONE
    assert only(events(), "INPUT_RECEIVED")["message"] == {
        "role": "user",
        "text": '{"what":"sky"}',
        "metadata": {"source": "inputs"},
    }
    assert only(events(), "OUTPUT_EMITTED")["message"]["text"] == "It is blue"


@pytest.mark.parametrize("kind", ["kickoff", "kickoff_async", "akickoff"])
def test_a_crew_without_inputs_is_the_same_tree_however_it_is_kicked_off(
    kind: str,
) -> None:
    with recorded() as events:
        given: Any = crew(task(agent("It is blue")))
        result = getattr(given, kind)()
        if kind != "kickoff":
            result = asyncio.run(_awaited(result))
    assert result.raw == "It is blue"
    assert tree_of(events()) == ONE
    assert only(events(), "INPUT_RECEIVED")["message"]["text"] == "Write a line"


async def _awaited(given: Any) -> Any:
    return await given
