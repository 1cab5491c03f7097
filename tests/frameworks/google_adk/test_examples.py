"""The examples with Google ADK: each runs as a user would, and records its tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.frameworks.google_adk.support import RELEASE, tree_of
from tests.support.example_runs import run_example
from tests.support.trees import tree

SINCE = {"adk_travel_agents": (2, 11), "adk_live": (2, 9)}

TREES = {
    "adk_travel_agents": """
        SESSION
          AGENT reception
            INPUT
            MODEL
            TOOL transfer_to_agent
            HANDOFF reception -> planner
          AGENT planner waiting
            MODEL
            TOOL research
              AGENT research
                AGENT weather
                  MODEL
                AGENT hotels
                  MODEL
            MODEL
              RETRY http 1/3
            POLICY tool_confirmation review
          DATA_ACCESS InMemorySessionService
          AGENT planner
            POLICY tool_confirmation allow
            TOOL book
            STATE_UPDATE append_event InMemorySessionService
            MODEL
            OUTPUT
    """,
    "adk_live": """
        SESSION
          AGENT guide
            INPUT
            MODEL
            TOOL weather
            MODEL
            OUTPUT
            INPUT x2
            MODEL
            OUTPUT
            INPUT
            MODEL CANCELLED
    """,
}


@pytest.mark.parametrize("name", TREES)
def test_an_example_records_this_tree(name: str, tmp_path: Path) -> None:
    if SINCE[name] > RELEASE:
        pytest.skip("this release lacks what it shows")
    ran = run_example(name, tmp_path)
    assert f"$ chaukas tree {name}.jsonl" in ran.stdout
    assert tree_of(ran.events) == tree(TREES[name])
