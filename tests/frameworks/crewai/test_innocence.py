"""An application notices nothing: two processes, one of them recorded, are alike."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import crewai
from crewai.events import crewai_event_bus
from crewai.events.event_bus import CrewAIEventsBus
from crewai.flow.flow import Flow
from crewai.tools import BaseTool

from tests.frameworks.crewai.releases import RELEASE, numbers_of
from tests.frameworks.crewai.scripted import agent, crew, recorded, task
from tests.support.trees import check

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = Path(__file__).with_name("program.py")
DEADLINE_S = 180
OPTIONS = ["old"] if numbers_of(RELEASE) < (1, 14) else []
"""There are no checkpoints before."""
_CHANGING = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|0x[0-9a-f]+"
    # The time that litellm puts in front of a line of its log.
    r"|\d\d:\d\d:\d\d"
)


def seen_by(mode: str, folder: Path) -> tuple[dict[str, Any], str, str]:
    """Return what the program saw and what it printed."""
    own = folder / mode
    own.mkdir()
    output = own / "seen.json"
    env = {k: v for k, v in os.environ.items() if not k.startswith("CHAUKAS_")}
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "examples")])
    env |= {"CREWAI_STORAGE_DIR": str(own), "CHAUKAS_RAISE_INTERNAL": "1"}
    done = subprocess.run(
        [sys.executable, str(PROGRAM), mode, str(output), *OPTIONS],
        cwd=own,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    text = output.read_text(encoding="utf-8")
    shown = done.stdout + done.stderr
    return json.loads(_CHANGING.sub("ID", text)), _CHANGING.sub("ID", shown), text


def test_a_program_sees_prints_and_sends_the_same(tmp_path: Path) -> None:
    plain, printed, _ = seen_by("plain", tmp_path)
    recorded_, printed_too, _ = seen_by("recorded", tmp_path)
    assert recorded_ == plain
    assert sorted(printed_too.splitlines()) == sorted(printed.splitlines())
    assert plain["error"]
    assert plain["requests"] > 4
    assert plain["wire"].count("POST /v1/chat/completions") == plain["requests"]
    assert len(plain["events"]) > 40
    assert plain["spans"]
    lines = (tmp_path / "recorded" / "seen.json.events").read_text("utf-8").splitlines()
    check([json.loads(line) for line in lines])


def test_disabling_leaves_crewai_as_it_was() -> None:
    def held() -> dict[str, Any]:
        holders: dict[str, Any] = {
            "crew": crewai.Crew,
            "task": crewai.Task,
            "agent": crewai.Agent,
            "flow": Flow,
            "bus": CrewAIEventsBus,
            "llm": crewai.BaseLLM,
            "tool": BaseTool,
        }
        return {name: dict(vars(holder)) for name, holder in holders.items()}

    def handlers() -> Any:
        bus: Any = crewai_event_bus
        return {kind: len(each) for kind, each in bus._sync_handlers.items()}

    before, listening, threads = held(), handlers(), threading.active_count()
    with recorded():
        assert handlers() == listening
        assert threading.active_count() <= threads + 2
    after = held()
    for name, members in before.items():
        same = {key: value for key, value in after[name].items() if key in members}
        assert same == members, name
        assert set(after[name]) == set(members), name


def test_importing_chaukas_loads_no_crewai(tmp_path: Path) -> None:
    code = (
        "import sys, chaukas\n"
        "chaukas.enable_chaukas()\n"
        "chaukas.disable_chaukas()\n"
        "sys.exit('crewai' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False)
    assert done.returncode == 0


def test_a_crew_that_is_enabled_before_crewai_is_imported_is_recorded(
    tmp_path: Path,
) -> None:
    code = (
        "import chaukas\n"
        "chaukas.enable_chaukas()\n"
        "from tests.frameworks.crewai.scripted import agent, crew, task\n"
        "print(crew(task(agent('blue'))).kickoff().raw)\n"
        "chaukas.disable_chaukas()\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), f"{ROOT}/examples"])}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=env,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "chaukas_events.jsonl").read_text("utf-8").splitlines()
    kinds = [json.loads(line)["type"] for line in lines]
    assert kinds.count("EVENT_TYPE_AGENT_START") == 2


def test_a_crew_that_is_sampled_out_leaves_nothing() -> None:
    with recorded(sample_rate=0.0) as events:
        assert crew(task(agent("blue"))).kickoff().raw == "blue"
    assert {each["type"] for each in events()} == {"EVENT_TYPE_SYSTEM"}


def test_hidden_content_is_nowhere() -> None:
    with recorded(capture_content=False) as events:
        worker = agent("tulips are blue", '{"valid": true, "feedback": null}')
        other = agent("or red", role="other")
        first = task(worker, "Say {what}, rose", guardrail="must be lilac")
        second = task(other, "Say orchid", expected_output="violet")
        crew(first, second).kickoff(inputs={"what": "daffodil"})
    text = json.dumps(events())
    words = "tulip daffodil rose lilac orchid violet"
    assert [word for word in words.split() if word in text] == []
    assert "old hand" not in text
