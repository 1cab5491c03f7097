"""
One recorder of CrewAI, or none, in a process of its own, which `peers.py` asks.

As `peer_process.py`: it reads names of scenarios from its standard input and answers
each with one JSON line. The crew has two tasks, two agents and three tools, and a model
that answers from memory.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import shutil
import sys
import tempfile
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Before CrewAI is loaded: nothing is uploaded, nobody is asked.
os.environ |= {
    "CREWAI_TRACING_ENABLED": "false",
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_DISABLE_VERSION_CHECK": "true",
    "CREWAI_TESTING": "true",
    "CREWAI_STORAGE_DIR": tempfile.mkdtemp(prefix="chaukas-crewai-"),
}

from crewai import Agent, BaseLLM, Crew, Task
from crewai.tools import tool

from framework_recorders import recorder

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("main",)
atexit.register(shutil.rmtree, os.environ["CREWAI_STORAGE_DIR"], ignore_errors=True)

_NS_PER_US = 1000
_BATCH = 10


class Scripted(BaseLLM):
    """Asks for each tool once, then answers."""

    model: str = "scripted"

    def call(self, messages: Any, *_args: Any, **kwargs: Any) -> Any:
        """Answer by how far the conversation is."""
        done = sum(each.get("role") == "tool" for each in messages)
        names = [each["function"]["name"] for each in kwargs.get("tools") or ()]
        if done < len(names):
            arguments = json.dumps({"a": done, "b": 2})
            function = {"name": names[done], "arguments": arguments}
            return [{"id": f"c{done}", "type": "function", "function": function}]
        return "The sum of the numbers that you gave me is forty-two, in short: 42."

    def supports_function_calling(self) -> bool:
        """Ask for tools by calls."""
        return True

    def get_context_window_size(self) -> int:
        """Never summarize."""
        return 100_000


@tool("add")
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool("subtract")
def subtract(a: int, b: int) -> int:
    """Subtract two numbers."""
    return a - b


@tool("multiply")
def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


def _crew() -> Crew:
    llm = Scripted(model="scripted")
    tools = [add, subtract, multiply]
    first = Agent(role="first", goal="add", backstory="b", llm=llm, tools=tools)
    second = Agent(role="second", goal="say", backstory="b", llm=llm)
    return Crew(
        agents=[first, second],
        tasks=[
            Task(description="Add {a} and {b}", expected_output="e", agent=first),
            Task(description="Say it", expected_output="e", agent=second),
        ],
        cache=False,
    )


def _instrumentor() -> Any:
    from openinference.instrumentation.crewai import CrewAIInstrumentor

    return CrewAIInstrumentor()


def main(arguments: Sequence[str]) -> int:
    """Answer until the input ends."""
    name, path = arguments
    flush, count = recorder(name, Path(path), _instrumentor)
    for _line in sys.stdin:
        crews = [_crew() for _ in range(_BATCH)]
        before = count()
        gc.collect()
        # CrewAI prints; what it prints is not what is measured.
        with (
            Path(os.devnull).open("w", encoding="utf-8") as nowhere,
            redirect_stdout(nowhere),
            redirect_stderr(nowhere),
        ):
            cpu_ns, wall_ns = time.process_time_ns(), time.perf_counter_ns()
            for crew in crews:
                crew.kickoff(inputs={"a": 1, "b": 2})
            wall_ns = time.perf_counter_ns() - wall_ns
            flush()
            cpu_ns = time.process_time_ns() - cpu_ns
        answer = {
            "cpu_us": cpu_ns / _NS_PER_US / _BATCH,
            "wall_us": wall_ns / _NS_PER_US / _BATCH,
            "events": (count() - before) / _BATCH,
        }
        print(json.dumps(answer), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
