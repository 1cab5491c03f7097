"""
Write a small program with agents in it, and run it in a process of its own.

How a process starts, forks and ends can only be tested on a process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

from chaukas.sdk.integrity import verify

__all__ = ("Done", "begin", "events_in", "finish", "play")

ROOT = Path(__file__).parents[2]
_DEADLINE_S = 120.0
_FURTHER_PATHS = [p for p in os.environ.get("PYTHONPATH", "").split(":") if p]
_BEGINNING = """
import asyncio, os, sys, threading, time
import chaukas
from agents import Agent, Runner, function_tool, set_tracing_disabled
from agents.testing import ScriptedModel, assistant_message, function_call
from chaukas.sdk import _runtime

set_tracing_disabled(True)
# All is written in the end, however busy the machine is.
_runtime._EXIT_S = 60.0
FILE = os.environ["FILE"]


def enable(**settings):
    assert chaukas.enable_chaukas(output_file=FILE, strict=True, **settings)


def agent(*steps, tools=()):
    steps = [*steps, [assistant_message("ok")]]
    return Agent(name="A", model=ScriptedModel(steps), tools=list(tools))


def run(name="hi"):
    return asyncio.run(Runner.run(agent(), name)).final_output


def run_tool(function):
    tool = function_tool(function)
    call = [function_call(tool.name, {}, call_id="c")]
    return asyncio.run(Runner.run(agent(call, tools=[tool]), "hi")).final_output
"""


@dataclass(frozen=True)
class Done:
    """How a program ended."""

    code: int
    out: str
    error: str
    events: list[dict[str, Any]]

    def kinds(self) -> Counter[str]:
        """Return how often each type was recorded."""
        return Counter(e["type"].removeprefix("EVENT_TYPE_") for e in self.events)

    def named(self, name: str) -> list[dict[str, Any]]:
        """Return the events of the program's own that have this name."""
        return [e for e in self.events if e["metadata"].get("name") == name]


def begin(tmp_path: Path, body: str, **environ: str) -> subprocess.Popen[str]:
    """Start a program: *body* after functions to enable chaukas and to run agents."""
    program = tmp_path / "program.py"
    program.write_text(_BEGINNING + dedent(body))
    return subprocess.Popen(
        [sys.executable, str(program)],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(ROOT), *_FURTHER_PATHS)),
            "FILE": str(tmp_path / "events.jsonl"),
            **environ,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def events_in(path: Path) -> list[dict[str, Any]]:
    """Return the events of a file, whose chains must hold."""
    if not path.exists():
        return []
    lines = path.read_bytes().splitlines(keepends=True)
    report = verify(lines)
    assert report.ok, report
    # One that saw half a line of another process may have begun with an empty one.
    return [json.loads(line) for line in lines if line.strip()]


def finish(process: subprocess.Popen[str], tmp_path: Path) -> Done:
    """Wait for a program, and check what holds for every file."""
    try:
        out, error = process.communicate(timeout=_DEADLINE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    events = events_in(tmp_path / "events.jsonl")
    ids = Counter(event["event_id"] for event in events)
    assert max(ids.values(), default=1) == 1
    spans = Counter((event["span_id"], event["type"]) for event in events)
    assert max(spans.values(), default=1) == 1
    return Done(process.returncode, out, error, events)


def play(tmp_path: Path, body: str, **environ: str) -> Done:
    """Run a program to its end."""
    return finish(begin(tmp_path, body, **environ), tmp_path)
