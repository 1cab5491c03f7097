"""
Runs that end in unusual ways: cancelled, abandoned, timed out, half read.

A run that began must end in the record, whatever the application does with it.
"""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import pytest
from agents import Runner, function_tool
from agents.exceptions import MaxTurnsExceeded

from tests.support.agent_runs import Mode, calls, record, run_in, say
from tests.support.scenarios import add, assistant
from tests.support.trees import named, tree, tree_of

if TYPE_CHECKING:
    from collections.abc import Callable

_WITH_TOOL = tree(
    """
    SESSION
      AGENT Assistant
        INPUT
        MODEL
        TOOL add
        MODEL
        OUTPUT
    """
)
_CANCELLED_MODEL = tree(
    """
    SESSION
      AGENT Assistant CANCELLED
        INPUT
        MODEL CANCELLED
    """
)
_CANCELLED_TOOL = tree(
    """
    SESSION
      AGENT Assistant CANCELLED
        INPUT
        MODEL
        TOOL hang CANCELLED
    """
)


def _agent_with_tool() -> Any:
    steps = calls(("add", {"a": 1, "b": 2})), say("3")
    return assistant(*steps, tools=[add])


def _hanging_model(begun: asyncio.Event) -> Any:
    async def never(_call: Any) -> Any:
        begun.set()
        await asyncio.Event().wait()

    return assistant({"responder": never})


def _hanging_tool(begun: asyncio.Event) -> Any:
    @function_tool
    async def hang() -> str:
        begun.set()
        await asyncio.Event().wait()
        return "never"

    return assistant(calls(("hang", {})), say("unreached"), tools=[hang])


async def _drain(stream: Any) -> None:
    async for _ in stream.stream_events():
        pass


def test_a_stream_that_nobody_reads_is_a_whole_run() -> None:
    async def story() -> None:
        stream = Runner.run_streamed(_agent_with_tool(), "Hi")
        await stream.run_loop_task

    assert tree_of(record(story).events) == _WITH_TOOL


def test_a_consumer_that_breaks_leaves_a_whole_run() -> None:
    async def story() -> None:
        stream = Runner.run_streamed(_agent_with_tool(), "Hi")
        events = stream.stream_events()
        async for _ in events:
            break
        await events.aclose()
        await stream.run_loop_task

    assert tree_of(record(story).events) == _WITH_TOOL


def test_an_iterator_that_is_thrown_away_leaves_a_whole_run() -> None:
    async def story() -> None:
        stream = Runner.run_streamed(_agent_with_tool(), "Hi")
        events = stream.stream_events()
        await events.__anext__()
        task = stream.run_loop_task
        del events, stream
        gc.collect()
        await task

    assert tree_of(record(story).events) == _WITH_TOOL


def test_a_result_that_is_thrown_away_at_once_is_a_whole_run() -> None:
    async def story() -> None:
        task = Runner.run_streamed(_agent_with_tool(), "Hi").run_loop_task
        gc.collect()
        await task

    assert tree_of(record(story).events) == _WITH_TOOL


def test_a_stream_of_a_model_that_is_thrown_away_ends_cancelled() -> None:
    from agents import ModelSettings
    from agents.models.interface import ModelTracing
    from agents.testing import ScriptedModel

    async def story() -> None:
        stream = ScriptedModel([say("Hello")]).stream_response(
            None,
            "Hi",
            ModelSettings(),
            [],
            None,
            [],
            ModelTracing.DISABLED,
            previous_response_id=None,
            conversation_id=None,
            prompt=None,
        )
        await stream.__anext__()
        await stream.aclose()

    assert tree_of(record(story).events) == tree(
        """
        SESSION
          MODEL CANCELLED
        """
    )


@pytest.mark.parametrize("mode", ["immediate", "after_turn"])
def test_a_stream_cancelled_before_it_began_is_cancelled(mode: Any) -> None:
    async def story() -> None:
        stream = Runner.run_streamed(_agent_with_tool(), "Hi")
        stream.cancel(mode)
        await _drain(stream)
        await asyncio.wait([stream.run_loop_task])

    events = record(story).events
    assert tree_of(events).split("\n")[1] == "  AGENT Assistant CANCELLED"
    assert not named(events, "OUTPUT_EMITTED")
    assert not named(events, "ERROR")


def test_a_stream_cancelled_in_the_model_call_is_cancelled() -> None:
    async def story() -> None:
        begun = asyncio.Event()
        stream = Runner.run_streamed(_hanging_model(begun), "Hi")
        await begun.wait()
        stream.cancel()
        await _drain(stream)
        await asyncio.wait([stream.run_loop_task])

    assert tree_of(record(story).events) == _CANCELLED_MODEL


def test_a_stream_cancelled_in_a_tool_is_cancelled() -> None:
    async def story() -> None:
        begun = asyncio.Event()
        stream = Runner.run_streamed(_hanging_tool(begun), "Hi")
        await begun.wait()
        stream.cancel()
        await _drain(stream)
        await asyncio.wait([stream.run_loop_task])

    assert tree_of(record(story).events) == _CANCELLED_TOOL


def test_a_stream_cancelled_after_its_turn_has_that_turn_and_no_output() -> None:
    async def story() -> None:
        stream = Runner.run_streamed(_agent_with_tool(), "Hi")
        async for event in stream.stream_events():
            if event.type == "run_item_stream_event":
                stream.cancel("after_turn")

    assert tree_of(record(story).events) == tree(
        """
        SESSION
          AGENT Assistant CANCELLED
            INPUT
            MODEL
            TOOL add
        """
    )


def test_a_consumer_that_is_cancelled_cancels_the_run() -> None:
    async def story() -> None:
        begun = asyncio.Event()
        stream = Runner.run_streamed(_hanging_tool(begun), "Hi")
        consumer = asyncio.create_task(_drain(stream))
        await begun.wait()
        consumer.cancel()
        await asyncio.wait([consumer, stream.run_loop_task])

    assert tree_of(record(story).events) == _CANCELLED_TOOL


@pytest.mark.parametrize(
    ("make", "expected"),
    [(_hanging_model, _CANCELLED_MODEL), (_hanging_tool, _CANCELLED_TOOL)],
    ids=["in-the-model", "in-a-tool"],
)
def test_a_run_whose_caller_lost_patience_is_cancelled(
    make: Callable[[asyncio.Event], Any], expected: str
) -> None:
    async def story() -> None:
        begun = asyncio.Event()
        run = asyncio.create_task(Runner.run(make(begun), "Hi"))
        await begun.wait()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(run, 0)

    events = record(story).events
    assert tree_of(events) == expected
    assert not named(events, "ERROR")


@pytest.mark.parametrize("streamed", [False, True])
def test_a_loop_that_shuts_down_cancels_the_run(streamed: bool) -> None:
    async def story() -> None:
        begun = asyncio.Event()
        agent = _hanging_tool(begun)
        if streamed:
            kept.append(Runner.run_streamed(agent, "Hi"))
        else:
            kept.append(asyncio.create_task(Runner.run(agent, "Hi")))
        await begun.wait()

    kept: list[Any] = []
    assert tree_of(record(story).events) == _CANCELLED_TOOL


def test_a_run_that_chaukas_outlives_nobody_is_closed_as_an_orphan() -> None:
    from chaukas.sdk.testing import capture_events

    async def story() -> list[dict[str, Any]]:
        begun = asyncio.Event()
        with capture_events() as events:
            run = asyncio.create_task(Runner.run(_hanging_tool(begun), "Hi"))
            await begun.wait()
        run.cancel()
        await asyncio.wait([run])
        return events()

    events = asyncio.run(story())
    assert tree_of(events) == _CANCELLED_TOOL
    for kind in ("AGENT_END", "TOOL_CALL_END"):
        assert named(events, kind)[0]["metadata"]["orphan"] is True


@pytest.mark.parametrize("is_read", [False, True], ids=["unread", "read"])
def test_the_turn_limit_fails_a_stream_even_if_nobody_reads_it(is_read: bool) -> None:
    async def story() -> None:
        steps = [calls(("add", {"a": n, "b": n}), first=n) for n in (1, 2)]
        agent = assistant(*steps, tools=[add])
        stream = Runner.run_streamed(agent, "Hi", max_turns=1)
        if is_read:
            with pytest.raises(MaxTurnsExceeded):
                await _drain(stream)
        await stream.run_loop_task

    recorded = record(story)
    assert recorded.error is None
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          AGENT Assistant FAILED
            INPUT
            MODEL
            TOOL add
            ERROR MaxTurnsExceeded
        """
    )


def test_a_guardrail_that_trips_after_the_answer_takes_the_output_back() -> None:
    from agents import GuardrailFunctionOutput, InputGuardrail

    answered = asyncio.Event()

    def note(_call: Any) -> Any:
        answered.set()
        return say("Hello")

    async def late(_context: Any, _agent: Any, _input: Any) -> GuardrailFunctionOutput:
        await answered.wait()
        for _ in range(20):
            await asyncio.sleep(0)
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)

    agent = assistant({"responder": note})
    agent.input_guardrails = [InputGuardrail(late)]
    recorded = record(lambda: run_in(Mode.STREAMED, agent))
    assert type(recorded.error).__name__ == "InputGuardrailTripwireTriggered"
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          AGENT Assistant FAILED
            INPUT
            MODEL
            POLICY late deny
            ERROR InputGuardrailTripwireTriggered
        """
    )


def test_a_cancelled_agent_inside_a_tool_is_cancelled_with_it() -> None:
    async def story() -> None:
        begun = asyncio.Event()
        inner = _hanging_model(begun)
        inner.name = "Inner"
        tool = inner.as_tool("ask", "Asks.")
        agent = assistant(calls(("ask", {"input": "?"})), tools=[tool])
        run = asyncio.create_task(Runner.run(agent, "Hi"))
        await begun.wait()
        run.cancel()
        await asyncio.wait([run])

    assert tree_of(record(story).events) == tree(
        """
        SESSION
          AGENT Assistant CANCELLED
            INPUT
            MODEL
            TOOL ask CANCELLED
              AGENT Inner CANCELLED
                MODEL CANCELLED
        """
    )


def test_a_run_that_cannot_start_fails_once() -> None:
    recorded = record(
        lambda: run_in(Mode.STREAMED, assistant(say("Hello")), run_config=3)
    )
    assert recorded.error is not None
    assert len(named(recorded.events, "ERROR")) == 1
    assert named(recorded.events, "AGENT_END")[0]["status"] == "EVENT_STATUS_FAILED"
    tree_of(recorded.events)
