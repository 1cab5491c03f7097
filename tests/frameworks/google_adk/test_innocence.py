"""With and without chaukas an application of ADK sees the same."""

from __future__ import annotations

import asyncio
import copy
import re
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from google.adk.agents import BaseAgent, LlmAgent
from google.adk.agents.run_config import RunConfig, StreamingMode
from google.adk.models.google_llm import Gemini
from google.adk.runners import Runner
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

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
)
from tests.frameworks.google_adk.test_models import Call, ModelServer, Text, ToolCalls
from tests.support.trees import named

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


@pytest.mark.parametrize("config", [RunConfig(), SSE])
def test_events_and_the_stored_session_are_the_same(config: RunConfig) -> None:
    async def program() -> list[str]:
        runner = runner_of(root())
        session = await new_session(runner)
        events = await ask(runner, "hi", session, run_config=config)
        stored = await runner.session_service.get_session(
            app_name=runner.app_name, user_id="u", session_id=session
        )
        return [*map(_plain, events), _plain(stored)]

    bare, with_us = both(program)
    assert bare == with_us
    assert len(bare) > 5


def test_errors_are_the_same() -> None:
    async def program() -> Any:
        try:
            await ask(runner_of(agent([("boom", {})], tools=[boom])))
        except ValueError as error:
            return (
                type(error),
                error.args,
                type(error.__cause__),
                type(error.__context__),
            )
        return None

    bare, with_us = both(program)
    assert bare == with_us
    assert bare[0] is ValueError


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

    async def program() -> None:
        await ask(runner_of(root()))

    asyncio.run(program())
    bare, _ = ended()
    with recorded() as events:
        asyncio.run(program())
    with_us, traces = ended()
    assert bare == with_us
    assert len(bare) >= 5
    assert {event["trace_id"] for event in named(events(), "AGENT_START")} <= traces


def test_functions_of_adk_answer_as_before() -> None:
    import inspect

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


def test_nothing_is_recorded_after_chaukas_is_disabled() -> None:
    with recorded() as events:
        runner = runner_of(agent("one", "two"))
        session = asyncio.run(new_session(runner))
        asyncio.run(ask(runner, "hi", session))
    count = len(events())
    asyncio.run(ask(runner, "more", session))
    assert len(events()) == count
