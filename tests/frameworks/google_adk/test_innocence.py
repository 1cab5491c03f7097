"""With and without chaukas an application of ADK sees the same."""

from __future__ import annotations

import asyncio
import copy
import gc
import importlib
import inspect
import re
import subprocess
import sys
import weakref
from contextlib import nullcontext, suppress
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from google.adk.agents import (
    BaseAgent,
    LlmAgent,
    LoopAgent,
    ParallelAgent,
    SequentialAgent,
)
from google.adk.agents.run_config import RunConfig, StreamingMode
from google.adk.models.google_llm import Gemini
from google.adk.plugins.base_plugin import BasePlugin
from google.adk.runners import Runner
from google.adk.tools.agent_tool import AgentTool
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import chaukas
from chaukas.sdk.integrations.google_adk import GoogleADKWrapper
from tests.frameworks.google_adk.support import (
    RELEASE,
    Scripted,
    add,
    agent,
    ask,
    boom,
    new_session,
    recorded,
    runner_of,
    said,
)
from tests.frameworks.google_adk.test_models import Call, ModelServer, Text, ToolCalls
from tests.support.trees import named

if TYPE_CHECKING:
    from collections.abc import Iterator

_HERE = "tests.frameworks.google_adk.test_innocence"
SSE = RunConfig(streaming_mode=StreamingMode.SSE)
TRANSFER = ("transfer_to_agent", {"agent_name": "sub"})
ADD = ("add", {"a": 1, "b": 2})
_IDS = re.compile(
    r"(e-|adk-)?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|0x[0-9a-f]+"
)


def root() -> LlmAgent:
    """Return an agent that uses a tool and transfers."""

    def keep(tool_context: Any) -> str:
        """Write state."""
        tool_context.state["k"] = 1
        return "kept"

    sub = agent([ADD, ADD], "from sub", name="sub", tools=[add])
    return agent([("keep", {})], [TRANSFER], tools=[keep], sub_agents=[sub])


def _plain(value: Any) -> str:
    """Return an event or a session without what differs from run to run."""
    dumped = value.model_dump(exclude_none=True)
    for name in ("timestamp", "id", "last_update_time"):
        dumped.pop(name, None)
    for event in dumped.get("events", ()):
        event.pop("timestamp")
        event.pop("id")
    return _IDS.sub("ID", repr(dumped))


def seen(program: Any, *, is_recorded: bool) -> Any:
    """Return what *program* returns, with chaukas or without."""
    with recorded() if is_recorded else nullcontext():
        return asyncio.run(program())


def both(program: Any) -> tuple[Any, Any]:
    """Return what *program* returns without chaukas, and with it."""
    return seen(program, is_recorded=False), seen(program, is_recorded=True)


def _keep(tool_context: Any) -> str:
    """Write state."""
    tool_context.state["k"] = 1
    return "kept"


async def _slow() -> str:
    """Wait until somebody gives up."""
    await asyncio.Event().wait()
    return ""


async def _late() -> str:
    """Fail a little later."""
    for _ in range(5):
        await asyncio.sleep(0)
    raise ValueError("bad")


def _pair(**more: Any) -> list[LlmAgent]:
    return [agent([ADD], f"by {n}", name=n, tools=[add], **more) for n in ("p1", "p2")]


def _workflow() -> Any:
    if RELEASE < (2, 9):
        pytest.skip("workflows came with 2.0, and have changed")
    from google.adk.workflow import Workflow

    def up(node_input: Any) -> str:
        return "UP"

    return Workflow(name="wf", edges=[("START", up, agent("x", name="wa"))])


APPLICATIONS: dict[str, Any] = {
    "a transfer, a tool and state": root,
    "agents in sequence": lambda: SequentialAgent(name="seq", sub_agents=_pair()),
    "agents in a loop": lambda: LoopAgent(
        name="loop", sub_agents=_pair(), max_iterations=2
    ),
    "an agent as a tool": lambda: agent(
        [("sub", {"request": "x"})],
        "done",
        tools=[AgentTool(agent([ADD], "y", name="sub", tools=[add]))],
    ),
    "a tool that fails": lambda: agent([("boom", {})], tools=[boom]),
    "a tool whose failure is handled": lambda: agent(
        [("boom", {})],
        "x",
        tools=[boom],
        **(
            {"on_tool_error_callback": lambda **_: {"error": "e"}}
            if RELEASE >= (1, 16)
            else {}
        ),
    ),
    "a tool that nobody knows": lambda: agent([("nope", {})], "x", tools=[add]),
    "tools of which one fails": lambda: agent(
        [("_slow", {}), ("_late", {})], tools=[_slow, _late]
    ),
    "a model that fails": lambda: agent(ConnectionError("lost")),
    "callbacks that answer": lambda: agent(
        [ADD],
        "x",
        tools=[add],
        before_tool_callback=lambda **_: {"result": "cached"},
        after_model_callback=lambda **_: None,
    ),
    "a workflow": _workflow,
}


class Watcher(BasePlugin):
    """Notes which callbacks of plugins are called, in which order."""

    def __init__(self) -> None:
        super().__init__(name="watcher")
        self.calls: list[str] = []


def _watching(name: str) -> Any:
    async def callback(self: Watcher, **given: Any) -> None:
        self.calls.append(f"{name} {sorted(given)}")

    return callback


for _name in [each for each in vars(BasePlugin) if each.endswith("_callback")]:
    setattr(Watcher, _name, _watching(_name))


async def observed(make: Any, config: RunConfig) -> list[Any]:
    """Run an application twice; return all that it can see of itself."""
    told: list[Any] = []
    watcher = Watcher()
    runner = runner_of(make(), plugins=[watcher])
    session = await new_session(runner)
    for message in ("hi", "more"):
        generator = runner.run_async(
            user_id="u",
            session_id=session,
            new_message=said(message),
            run_config=config,
        )
        try:
            async for event in generator:
                told.append(_plain(event))
                told.append(sorted(str(v.name) for v in copy_context()))
        except Exception as error:
            links = error, error.__cause__, error.__context__
            told += [(type(each), getattr(each, "args", ())) for each in links]
            told.append(getattr(error, "__notes__", None))
    stored = await runner.session_service.get_session(
        app_name=runner.app_name, user_id="u", session_id=session
    )
    told += [_plain(stored), watcher.calls, len(asyncio.all_tasks())]
    return told


@pytest.mark.parametrize("config", [RunConfig(), SSE], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", APPLICATIONS)
def test_an_application_sees_the_same(
    name: str, config: RunConfig, caplog: pytest.LogCaptureFixture
) -> None:
    async def program() -> list[Any]:
        caplog.clear()
        told = await asyncio.wait_for(observed(APPLICATIONS[name], config), 120)
        logged = [_IDS.sub("ID", each.getMessage()) for each in caplog.records]
        return [*told, logged]

    # Of some things ADK warns once in a process.
    asyncio.run(program())
    bare, with_us = both(program)
    assert bare == with_us
    assert len(bare) > 4


class Stop(BaseException):
    """What no `except Exception` stops."""


@pytest.mark.parametrize("kind", [Stop, asyncio.CancelledError, GeneratorExit])
@pytest.mark.parametrize("place", ["tool", "model", "callback"])
def test_what_is_no_exception_passes_untouched(
    kind: type[BaseException], place: str
) -> None:
    async def leave(*_: Any, **__: Any) -> None:
        raise kind("now")

    async def halt() -> str:
        """Stop everything."""
        raise kind("now")

    def make() -> LlmAgent:
        if place == "callback":
            return agent("x", before_model_callback=leave)
        return agent([("halt", {})] if place == "tool" else leave, tools=[halt])

    async def program() -> Any:
        try:
            return len(await ask(runner_of(make())))
        except BaseException as error:
            # It is what the caller sees that is compared.
            return type(error), error.args

    assert len(set(both(program))) == 1


def test_nothing_of_a_run_is_kept_when_it_is_over() -> None:
    async def program() -> list[weakref.ref[Any]]:
        top = agent([ADD], [TRANSFER], tools=[add], sub_agents=[agent(name="sub")])
        runner = runner_of(top)
        events = await ask(runner)
        return [weakref.ref(each) for each in (runner, top, top.model, *events)]

    with recorded():
        kept = asyncio.run(program())
        gc.collect()
        chaukas.flush()
        gc.collect()
        left = [ref() for ref in kept if ref() is not None]
    assert left == []
    assert len(kept) > 5


@pytest.mark.parametrize("config", [RunConfig(), SSE])
@pytest.mark.skipif(RELEASE < (2, 0), reason="its Gemini takes no address")
def test_requests_on_the_wire_are_the_same(config: RunConfig) -> None:
    async def program() -> list[Any]:
        calls = ToolCalls(Call("add", {"a": 1, "b": 2}))
        with ModelServer([calls, Text("three")]) as server:
            model = Gemini(model="gemini-2.5-flash", base_url=server.root_url)
            top = LlmAgent(
                name="root", model=model, tools=[add], instruction="Be brief"
            )
            await ask(runner_of(top), run_config=config)
            return [
                (each.path, dict(each.body), sorted(each.headers.items()))
                for each in server.requests
            ]

    def comparable(requests: list[Any]) -> str:
        return re.sub(r"127\.0\.0\.1:\d+", "HOST", _IDS.sub("ID", repr(requests)))

    bare, with_us = both(program)
    assert comparable(bare) == comparable(with_us)
    assert len(bare) == 2


def test_spans_of_adk_are_the_same_and_the_record_has_their_trace() -> None:
    # A tracer provider is set for good, so this has a process of its own.
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"from {_HERE} import spans; spans()"],
        cwd=Path(__file__).parents[3],
        check=True,
    )


def spans() -> None:
    """Compare the spans of a run with chaukas and without."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)

    def ended() -> tuple[list[Any], set[str]]:
        found = exporter.get_finished_spans()
        names = {span.context.span_id: span.name for span in found}
        exporter.clear()
        parents = [
            names.get(span.parent.span_id) if span.parent else "" for span in found
        ]
        shown = [
            (span.name, parent, sorted(span.attributes or ()))
            for span, parent in zip(found, parents, strict=True)
        ]
        return sorted(shown), {f"{span.context.trace_id:032x}" for span in found}

    def parallel() -> ParallelAgent:
        return ParallelAgent(name="par", sub_agents=_pair())

    names = ("agents in sequence", "an agent as a tool", "a model that fails")
    applications = [root, parallel, *(APPLICATIONS[name] for name in names)]

    async def program() -> None:
        for make in applications:
            with suppress(ConnectionError):
                await ask(runner_of(make()))

    asyncio.run(program())
    bare, _ = ended()
    with recorded() as events:
        asyncio.run(program())
    with_us, traces = ended()
    assert bare == with_us
    assert len(bare) >= 5
    assert {event["trace_id"] for event in named(events(), "AGENT_START")} == traces


def test_functions_of_adk_answer_as_before() -> None:
    before = inspect.signature(Runner.run_async), inspect.signature(BaseAgent.run_async)
    originals = vars(Runner)["run_async"], vars(BaseAgent)["run_async"]
    with recorded():
        assert inspect.isasyncgenfunction(Runner.run_async)
        assert before == (
            inspect.signature(Runner.run_async),
            inspect.signature(BaseAgent.run_async),
        )
        mock.create_autospec(Runner)
        with mock.patch.object(BaseAgent, "run_async"):
            pass
        first = agent("x")
        assert copy.deepcopy(first).name == "root"
        assert inspect.isasyncgen(Scripted(script=[]).generate_content_async(None))
    assert (vars(Runner)["run_async"], vars(BaseAgent)["run_async"]) == originals


def _functions() -> Iterator[tuple[str, Any]]:
    """Yield each function that is patched, as this release has it."""
    for patch in GoogleADKWrapper(mock.Mock()).patches():
        module, _, path = patch.target.partition(":")
        try:
            holder: Any = importlib.import_module(module)
            *classes, name = path.split(".")
            for each in classes:
                holder = getattr(holder, each)
            yield patch.target, vars(holder)[name]
        except (ImportError, AttributeError, KeyError):
            continue


def _look(function: Any) -> list[Any]:
    """Return what the standard library says of a function."""
    names = ("__name__", "__qualname__", "__module__", "__doc__")
    kinds = (
        inspect.iscoroutinefunction,
        inspect.isasyncgenfunction,
        inspect.isfunction,
        callable,
    )
    return [
        inspect.signature(function),
        inspect.getsource(function),
        getattr(function, "__isabstractmethod__", False),
        *(getattr(function, name) for name in names),
        *(kind(function) for kind in kinds),
    ]


def test_every_function_that_is_patched_looks_as_it_did() -> None:
    before = {target: _look(function) for target, function in _functions()}
    originals = dict(_functions())
    with recorded():
        assert {t: _look(f) for t, f in _functions()} == before
        # Those of other releases are left alone.
        assert sum(f is not originals[t] for t, f in _functions()) > 15
    assert {t: id(f) for t, f in _functions()} == {
        t: id(f) for t, f in originals.items()
    }


def test_nothing_is_recorded_after_chaukas_is_disabled() -> None:
    with recorded() as events:
        runner = runner_of(agent("one", "two"))
        session = asyncio.run(new_session(runner))
        asyncio.run(ask(runner, "hi", session))
    count = len(events())
    asyncio.run(ask(runner, "more", session))
    assert len(events()) == count
