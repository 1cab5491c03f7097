"""The examples with Google ADK: each runs as a user would, and records its tree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from chaukas.sdk import integrity
from tests.frameworks.google_adk.support import RELEASE, tree_of
from tests.support.trees import tree

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
DEADLINE_S = 120
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
    hidden = ("GOOGLE_", "CHAUKAS_")
    environ = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
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
    assert tree_of([json.loads(line) for line in lines]) == tree(TREES[name])
