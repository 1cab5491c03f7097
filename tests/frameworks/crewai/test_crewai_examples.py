"""The examples with CrewAI: each runs as a user would run it, and records its tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.example_runs import run_example
from tests.support.trees import tree, tree_of

TREES = {
    "crewai_crew": """
        SESSION
          AGENT guide office
            INPUT
            AGENT Crew Manager
              MODEL
              TOOL ask_question_to_coworker
                HANDOFF Crew Manager -> researcher
                AGENT researcher
                  MODEL
                  TOOL timetable
                  TOOL price_of FAILED
                    ERROR LookupError recoverable
                  MODEL
                    RETRY http 1/2
              MODEL
              TOOL delegate_work_to_coworker
                HANDOFF Crew Manager -> writer
                AGENT writer
                  MODEL
              MODEL
              POLICY no_shouting deny
              RETRY guardrail 1/3
              MODEL
              POLICY no_shouting allow
            OUTPUT
    """,
    "crewai_flow": """
        SESSION
          AGENT Answering
            INPUT
            AGENT sorter
              MODEL
            STATE_UPDATE x2
            AGENT travellers
              AGENT guide x2
                MODEL
            STATE_UPDATE
            OUTPUT
    """,
}


@pytest.mark.parametrize("name", TREES)
def test_an_example_records_this_tree(name: str, tmp_path: Path) -> None:
    ran = run_example(name, tmp_path)
    assert f"$ chaukas tree {name}.jsonl" in ran.stdout
    # Two tools of one answer run at the same time: either may be the first.
    assert sorted(tree_of(ran.events).splitlines()) == sorted(
        tree(TREES[name]).splitlines()
    )
