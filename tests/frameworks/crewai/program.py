"""
A program with a crew, a flow and tools, that prints what it sees; with chaukas or not.

    python program.py plain|recorded FILE

Run in a process of its own, so that two runs differ in nothing but chaukas. It writes
the bodies of its requests, its results and what became of its objects into FILE.
"""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import sys
from pathlib import Path
from typing import Any

from crewai import LLM, Agent, Crew, Task
from crewai.events import BaseEventListener, crewai_event_bus
from crewai.events.event_bus import CrewAIEventsBus
from crewai.flow import Flow, listen, start
from crewai.tools import tool

from loopback import Call, Fail, ModelServer, Text, ToolCalls

__all__ = ("main",)

_IDS = ("Id", "id", "uuid")


@tool("add")
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool("broken")
def broken(a: int) -> int:
    """Fail."""
    message = "no such number"
    raise LookupError(message)


SCRIPT = (
    ToolCalls(Call("add", {"a": 1, "b": 2}), Call("broken", {"a": 1})),
    Fail(429, retry_after=0.01),
    Text("three"),
    Text("four"),
    Text("flow"),
    *(Fail(400) for _ in range(6)),
)


class Seen(BaseEventListener):
    """Counts the events that CrewAI's bus gives to its listeners."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        super().__init__()

    def setup_listeners(self, bus: CrewAIEventsBus) -> None:
        """Listen to what a crew does."""
        from crewai.events import (
            CrewKickoffCompletedEvent,
            LLMCallStartedEvent,
            TaskCompletedEvent,
            ToolUsageFinishedEvent,
        )

        for kind in (
            CrewKickoffCompletedEvent,
            LLMCallStartedEvent,
            TaskCompletedEvent,
            ToolUsageFinishedEvent,
        ):

            @bus.on(kind)
            def heard(_source: Any, event: Any) -> None:
                self.kinds.append(event.type)


class Small(Flow[dict]):  # type: ignore[type-arg]
    """Has one agent and a state."""

    llm: Any = None

    @start()
    def ask(self) -> str:
        """Ask an agent."""
        worker = Agent(role="r", goal="g", backstory="b", llm=self.llm)
        self.state["said"] = worker.kickoff("hi").raw
        return str(self.state["said"])

    @listen(ask)
    def shout(self) -> str:
        """Use the state."""
        return str(self.state["said"]).upper()


def small(llm: Any) -> Small:
    flow = Small()
    flow.llm = llm
    return flow


def crew_of(llm: Any) -> Crew:
    worker = Agent(role="worker", goal="g", backstory="b", llm=llm, tools=[add, broken])
    other = Agent(role="other", goal="g", backstory="b", llm=llm)
    first = Task(description="Add {a}", expected_output="e", agent=worker)
    second = Task(description="More", expected_output="e", agent=other)
    return Crew(agents=[worker, other], tasks=[first, second])


def ways(llm: Any) -> dict[str, Any]:
    """Return what the program sees, as texts and numbers."""
    crew = crew_of(llm)
    copied = crew.copy()
    done = crew.kickoff(inputs={"a": 1})
    seen: dict[str, Any] = {
        "raw": done.raw,
        "tasks": [each.raw for each in done.tasks_output],
        "usage": done.token_usage.model_dump(),
        "messages": len(done.tasks_output[0].messages),
        "copied": [each.role for each in copied.agents],
        "fields": sorted(vars(crew)),
        "agent_fields": sorted(vars(crew.agents[0])),
        "deep": copy.deepcopy(done).raw,
        "dumped": sorted(crew.agents[0].model_dump(exclude={"llm", "tools"})),
        "pickled": pickle.loads(pickle.dumps(done)).raw,
        "flow": small(llm).kickoff(),
        "is_coroutine": asyncio.iscoroutinefunction(Crew.akickoff),
    }
    failing = Agent(role="failing", goal="g", backstory="b", llm=llm, max_retry_limit=0)
    try:
        Crew(
            agents=[failing],
            tasks=[Task(description="d", expected_output="e", agent=failing)],
        ).kickoff()
    except Exception as error:
        seen["error"] = [type(error).__name__, str(error)]
        seen["cause"] = type(error.__cause__).__name__
    return seen


def main() -> None:
    """Run everything once."""
    mode, output = sys.argv[1:]
    if mode == "recorded":
        import chaukas

        chaukas.enable_chaukas(output_file=f"{output}.events")
    listener = Seen()
    with ModelServer(SCRIPT) as server:
        llm = LLM(model="openai/gpt-4o-mini", base_url=server.base_url, api_key="x")
        seen = ways(llm)
        seen["requests"] = [each.body for each in server.requests]
    crewai_event_bus.flush()
    # Handlers run in threads: in which order is a matter of chance.
    seen["events"] = sorted(listener.kinds)
    if mode == "recorded":
        chaukas.disable_chaukas()
    Path(output).write_text(json.dumps(seen, default=str, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
