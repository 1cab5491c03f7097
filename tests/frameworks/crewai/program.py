"""
A program with a crew, a flow and tools, that prints what it sees; with chaukas or not.

    python program.py plain|recorded FILE

Run in a process of its own, so that two runs differ in nothing but chaukas. It writes
every byte of its requests, its results, what became of its objects, the events of the
bus and the spans of CrewAI's own telemetry into FILE.
"""

from __future__ import annotations

import asyncio
import copy
import json
import os
import pickle
import re
import sys
from pathlib import Path
from socketserver import StreamRequestHandler
from typing import Any

# CrewAI's own spans are made, and kept here instead of being sent.
os.environ |= {"CREWAI_DISABLE_TELEMETRY": "false", "OTEL_SDK_DISABLED": "false"}

# Late: what is set above counts when they are loaded.
import crewai.events as all_events
from crewai import LLM, Agent, Crew, Task
from crewai.events import BaseEventListener, crewai_event_bus
from crewai.events.base_events import BaseEvent
from crewai.events.event_bus import CrewAIEventsBus
from crewai.flow import Flow, listen, start
from crewai.telemetry import telemetry
from crewai.tools import tool
from opentelemetry.sdk.trace.export import SpanExportResult

from loopback import Call, Fail, ModelServer, Text, ToolCalls

__all__ = ("main",)

SPANS: list[Any] = []


def _keep(_self: Any, spans: Any) -> Any:
    SPANS.extend((each.name, sorted(each.attributes or ())) for each in spans)
    return SpanExportResult.SUCCESS


telemetry.SafeOTLPSpanExporter.export = _keep


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
    Fail(400),
)
POINTS = Text("one"), Text("two"), Text("two again")


class Seen(BaseEventListener):
    """Notes the events that CrewAI's bus gives to its listeners."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        super().__init__()

    def setup_listeners(self, bus: CrewAIEventsBus) -> None:
        """Listen to whatever there is."""
        kinds = [getattr(all_events, name) for name in all_events.__all__]
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseEvent):
                bus.on(kind)(self._heard)

    def _heard(self, _source: Any, event: Any) -> None:
        known = ("type", "task_name", "agent_role", "tool_name", "error")
        told = [str(getattr(event, name, "")) for name in known]
        self.told.append([*told, sorted(vars(event))])


class Sent:
    """A stream that a server reads, and all that was read of it."""

    received = bytearray()

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def readline(self, *args: Any) -> bytes:
        """Keep a line of the head."""
        return self._kept(self._stream.readline(*args))

    def read(self, *args: Any) -> bytes:
        """Keep a body."""
        return self._kept(self._stream.read(*args))

    def _kept(self, data: bytes) -> bytes:
        self.received += data
        return data


def _watch_the_wire() -> None:
    setup = StreamRequestHandler.setup

    def watched(self: StreamRequestHandler) -> None:
        setup(self)
        self.rfile = Sent(self.rfile)  # type: ignore[assignment]

    StreamRequestHandler.setup = watched  # type: ignore[method-assign]


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


def deep(item: Any) -> Any:
    """Return the fields of a deep copy, or why there can be none."""
    try:
        return sorted(vars(copy.deepcopy(item)))
    except TypeError as error:
        return str(error)


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
        "deep_agent": deep(crew.agents[1]),
        "deep_task": deep(Task(description="d", expected_output="e")),
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


def checkpoint_of(llm: Any, folder: Path) -> Any:
    """Return what CrewAI writes down of a crew between two tasks, and the way on."""
    from crewai.state.checkpoint_config import CheckpointConfig

    workers = [Agent(role=r, goal="g", backstory="b", llm=llm) for r in ("one", "two")]
    tasks = [
        Task(description=f"Say {each.role}", expected_output="e", agent=each)
        for each in workers
    ]
    Crew(agents=workers, tasks=tasks).kickoff(
        from_checkpoint=CheckpointConfig(location=str(folder))
    )
    first = next(folder.rglob("*_p-none.json"))
    again = CheckpointConfig(restore_from=str(first))
    restored = Crew.from_checkpoint(again)
    restored.agents[1].llm = llm
    state = json.loads(first.read_text("utf-8"))
    # Another thread writes it while the crew goes on: what has come of the agents by
    # then is a matter of chance.
    fields = [sorted(each) for each in state["entities"] if isinstance(each, dict)]
    return [fields, sorted(state), restored.kickoff().raw]


def main() -> None:
    """Run everything once."""
    mode, output = sys.argv[1:3]
    if mode == "recorded":
        import chaukas

        chaukas.enable_chaukas(output_file=f"{output}.events")
    listener = Seen()
    _watch_the_wire()
    # There are no checkpoints in an old release.
    is_old = sys.argv[3:] == ["old"]
    with ModelServer(SCRIPT if is_old else (*POINTS, *SCRIPT)) as server:
        llm = LLM(model="openai/gpt-4o-mini", base_url=server.base_url, api_key="x")
        points = Path(output).parent / "points"
        point = None if is_old else checkpoint_of(llm, points)
        seen = {**ways(llm), "checkpoint": point}
        seen["requests"] = len(server.requests)
    # The port is another one each time.
    wire = re.sub(rb"127\.0\.0\.1:\d+", b"HOST", bytes(Sent.received))
    seen["wire"] = wire.decode("latin-1")
    crewai_event_bus.flush()
    # Handlers run in threads: in which order is a matter of chance.
    seen["events"] = sorted(listener.told)
    telemetry.Telemetry().provider.force_flush()
    seen["spans"] = sorted(SPANS)
    if mode == "recorded":
        chaukas.disable_chaukas(60.0)
    Path(output).write_text(json.dumps(seen, default=str, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
