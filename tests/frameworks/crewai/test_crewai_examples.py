"""The examples with CrewAI: each runs as a user would run it, and records its tree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from chaukas.sdk import integrity
from tests.support.trees import tree, tree_of

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
DEADLINE_S = 120

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
    environ = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("OPENAI_", "CHAUKAS_"))
    }
    environ |= {"CHAUKAS_RAISE_INTERNAL": "1", "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py")],
        cwd=tmp_path,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"$ chaukas tree {name}.jsonl" in done.stdout
    lines = (tmp_path / f"{name}.jsonl").read_bytes().splitlines()
    assert integrity.verify(lines).ok
    events = [json.loads(line) for line in lines]
    # Two tools of one answer run at the same time: either may be the first.
    assert sorted(tree_of(events).splitlines()) == sorted(
        tree(TREES[name]).splitlines()
    )
