"""
The host's program is the same with chaukas and without.

Each story is played twice, bare and recorded, and everything that the application
could notice is compared: results, usage, errors with their causes, hooks, the events
of its stream, and what is left in its context.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
import re
import traceback
import types
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from agents import Agent, Model, RunHooks, Runner
from agents.models.openai_responses import OpenAIResponsesModel
from agents.result import RunResultBase
from agents.run import AgentRunner
from pydantic import BaseModel

from chaukas.sdk.testing import capture_events
from loopback import Drop, Fail, Failed, Incomplete, Refusal, StreamBreak, Text
from tests.support import scenarios
from tests.support.agent_runs import (
    Mode,
    calls,
    in_loop,
    modes,
    outcome_of,
    play,
    record,
    run_in,
    say,
)
from tests.support.scenarios import add, assistant
from tests.support.served import run_served
from tests.support.trees import only, tree, tree_of

if TYPE_CHECKING:
    from collections.abc import Callable


def _seen_of(value: Any) -> Any:
    """Return what an application can read off a result."""
    if not isinstance(value, RunResultBase):
        return value
    usage = value.context_wrapper.usage
    return {
        "type": type(value),
        "output": value.final_output,
        "items": [(type(item), _raw_of(item)) for item in value.new_items],
        "input": value.to_input_list(),
        "usage": (usage.requests, usage.input_tokens, usage.output_tokens),
        "last_agent": value.last_agent.name,
        "interruptions": len(value.interruptions),
        "guardrails": (
            len(value.input_guardrail_results),
            len(value.output_guardrail_results),
        ),
    }


def _raw_of(item: Any) -> Any:
    raw = item.raw_item
    return raw if isinstance(raw, dict) else raw.model_dump(exclude={"id"})


def _seen_of_error(error: BaseException | None) -> Any:
    """Return class and text of an error and of everything behind it."""
    links: list[Any] = []
    while error is not None and len(links) < 8:
        # Each server listens on a port of its own.
        text = re.sub(r"127\.0\.0\.1:\d+", "server", str(error))
        links.append((type(error), text, error.__suppress_context__))
        error = error.__cause__ or error.__context__
    return links


def _assert_alike(story: Callable[[], Any]) -> None:
    value, error = outcome_of(story)
    recorded = record(story)
    assert _seen_of_error(recorded.error) == _seen_of_error(error)
    assert _seen_of(recorded.value) == _seen_of(value)


@modes
@pytest.mark.parametrize("scenario", scenarios.SCENARIOS, ids=lambda one: one.__name__)
def test_a_scenario_ends_alike(scenario: Callable[[Mode], Any], mode: Mode) -> None:
    _assert_alike(lambda: scenario(mode))


@in_loop
@pytest.mark.parametrize(
    "script",
    [
        [Text("Hello")],
        [Fail(401, code="invalid_api_key")],
        [Fail(429, headers={"retry-after-ms": "1"}), Text("Hello")],
        [Drop()],
        [Failed("server_error", "broke")],
        [Incomplete("content_filter", "Well")],
        [Refusal("No")],
        [StreamBreak(after_deltas=1)],
    ],
    ids=lambda script: type(script[0]).__name__,
)
def test_a_provider_that_misbehaves_is_seen_alike(script: Any, mode: Mode) -> None:
    retries = len(script) - 1
    _assert_alike(lambda: run_served(script, mode, client={"max_retries": retries}))


@in_loop
def test_hooks_are_called_alike(mode: Mode) -> None:
    class Noting(RunHooks[Any]):
        def __init__(self) -> None:
            self.seen: list[Any] = []

        async def on_agent_start(self, context: Any, agent: Any) -> None:
            self.seen.append(("agent", agent.name))

        async def on_agent_end(self, context: Any, agent: Any, output: Any) -> None:
            self.seen.append(("agent end", output))

        async def on_llm_start(self, *args: Any) -> None:
            self.seen.append(("model", len(args)))

        async def on_llm_end(self, *args: Any) -> None:
            self.seen.append(("model end", len(args)))

        async def on_tool_start(self, context: Any, agent: Any, tool: Any) -> None:
            self.seen.append(("tool", tool.name, type(context).__name__))

        async def on_tool_end(
            self, context: Any, agent: Any, tool: Any, result: Any
        ) -> None:
            self.seen.append(("tool end", result))

        async def on_handoff(
            self, context: Any, from_agent: Any, to_agent: Any
        ) -> None:
            self.seen.append(("handoff", from_agent.name, to_agent.name))

    def story() -> Any:
        hooks = Noting()
        expert = assistant(calls(("add", {"a": 1, "b": 2})), say("3"), name="Expert")
        expert.tools = [add]
        clerk = assistant(calls(("transfer_to_expert", {})), name="Clerk")
        clerk.handoffs = [expert]
        play(mode, clerk, hooks=hooks)
        return hooks.seen

    _assert_alike(story)


def test_the_events_of_a_stream_are_alike() -> None:
    async def story() -> list[Any]:
        agent = assistant(calls(("add", {"a": 1, "b": 2})), say("It is 3"), tools=[add])
        stream = Runner.run_streamed(agent, "Hi")
        seen: list[Any] = []
        async for event in stream.stream_events():
            data = getattr(event, "data", None)
            seen.append((event.type, type(data), getattr(event, "name", None)))
        return seen

    _assert_alike(story)


_HOST_VAR: contextvars.ContextVar[str] = contextvars.ContextVar("host", default="-")


@in_loop
def test_nothing_is_left_in_the_context_of_the_caller(mode: Mode) -> None:
    async def story() -> dict[str, Any]:
        _HOST_VAR.set("mine")
        before = dict(contextvars.copy_context().items())
        await run_in(mode, assistant(say("Hello")))
        after = dict(contextvars.copy_context().items())
        return {
            var.name: value
            for var, value in after.items()
            if before.get(var) is not value
        }

    recorded = record(story)
    assert recorded.error is None
    assert not [name for name in recorded.value if "chaukas" in name]


def test_patched_functions_look_like_the_originals() -> None:
    def looks() -> list[Any]:
        found: list[Any] = []
        for function in (
            AgentRunner.run,
            AgentRunner.run_streamed,
            Model.get_response,
            OpenAIResponsesModel.get_response,
            OpenAIResponsesModel.stream_response,
            Runner.run,
        ):
            found.append(
                (
                    function.__name__,
                    function.__qualname__,
                    function.__doc__,
                    inspect.signature(function),
                    inspect.iscoroutinefunction(function),
                )
            )
        return found

    bare = looks()
    with capture_events():
        assert looks() == bare


def test_originals_are_back_after_disabling() -> None:
    places: list[tuple[Any, str]] = [
        (AgentRunner, "run"),
        (AgentRunner, "run_streamed"),
        (OpenAIResponsesModel, "get_response"),
        (OpenAIResponsesModel, "stream_response"),
    ]

    def present() -> list[int]:
        return [id(vars(owner)[name]) for owner, name in places]

    bare = present()
    with capture_events():
        assert not set(bare) & set(present())
    assert present() == bare


@in_loop
def test_a_finished_run_keeps_nothing_alive(mode: Mode) -> None:
    gone: list[weakref.ref[Any]] = []

    async def story() -> None:
        agent = assistant(calls(("add", {"a": 1, "b": 2})), say("3"), tools=[add])
        result = await run_in(mode, agent)
        gone.extend((weakref.ref(agent), weakref.ref(agent.model), weakref.ref(result)))

    with capture_events():
        asyncio.run(story())
        gc.collect()
        assert [ref() for ref in gone] == [None, None, None]


# -- errors without details ---------------------------------------------------------


class Answer(BaseModel):
    """What the model should have answered."""

    number: int


_PAYLOAD = "the-patient-has-measles"


def _locals_of(error: BaseException) -> str:
    """Return everything that the frames of *error* hold, and what is behind it."""
    texts: list[str] = []
    link: BaseException | None = error
    while link is not None:
        for frame, _ in traceback.walk_tb(link.__traceback__):
            # The test's own frames hold the payload; the SDK's must not.
            if "/tests/" not in frame.f_code.co_filename:
                texts.append(_text_of(frame))
        texts.append(f"{link} {link.args}")
        link = link.__cause__ or link.__context__
    return "\n".join(texts)


def _text_of(frame: types.FrameType) -> str:
    return f"{frame.f_code.co_name}: {frame.f_locals!r}"


@modes
def test_a_redacted_error_stays_redacted(mode: Mode) -> None:
    def story() -> Any:
        agent: Agent[Any] = assistant(
            say(f'{{"number": "{_PAYLOAD}"}}'), output_type=Answer
        )
        return play(mode, agent, "What has he got?")

    bare = outcome_of(story)[1]
    recorded = record(story)
    error = recorded.error
    assert bare is not None
    assert error is not None
    assert _seen_of_error(error) == _seen_of_error(bare)
    assert _PAYLOAD not in _locals_of(error)
    assert len(list(traceback.walk_tb(error.__traceback__))) == len(
        list(traceback.walk_tb(bare.__traceback__))
    )
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          AGENT Assistant FAILED
            INPUT
            MODEL
            ERROR ModelBehaviorError
        """
    )
    told = only(recorded.events, "ERROR")
    assert told["error"]["error_message"] == (
        "Invalid JSON when parsing model output. Error details are hidden by the SDK."
    )
    assert _PAYLOAD not in str(told)
    assert _PAYLOAD not in str(only(recorded.events, "AGENT_END"))


@modes
def test_a_redacted_error_of_a_nested_agent_stays_redacted(mode: Mode) -> None:
    def story() -> Any:
        inner = assistant(
            say(f'{{"number": "{_PAYLOAD}"}}'), name="Inner", output_type=Answer
        )
        tool = inner.as_tool("ask", "Asks.", failure_error_function=None)
        agent = assistant(calls(("ask", {"input": "?"})), tools=[tool])
        return play(mode, agent)

    bare = outcome_of(story)[1]
    recorded = record(story)
    assert _seen_of_error(recorded.error) == _seen_of_error(bare)
    errors = [e for e in recorded.events if e["type"] == "EVENT_TYPE_ERROR"]
    assert len(errors) == 1
    assert _PAYLOAD not in str(errors)
    tree_of(recorded.events)
