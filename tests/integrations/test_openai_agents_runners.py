"""
Whoever runs the agents: saved functions, runners of the application, runs in runs.

An application may have taken hold of the SDK's functions before chaukas was enabled,
or may have put a runner of its own in their place.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from agents import Agent, Runner
from agents.run import AgentRunner, set_default_agent_runner

from tests.support.agent_runs import Mode, modes, play, record, say
from tests.support.scenarios import assistant
from tests.support.trees import tree, tree_of

SAVED_RUN = Runner.run


_ANSWER = tree(
    """
    SESSION
      AGENT Assistant
        INPUT
        MODEL
        OUTPUT
    """
)


def test_a_run_function_saved_before_enabling_is_recorded() -> None:
    recorded = record(lambda: SAVED_RUN(assistant(say("Hello")), "Hi"))
    assert tree_of(recorded.events) == _ANSWER


class Calling(AgentRunner):
    """Does something of its own, then what every runner does."""

    async def run(self, starting_agent: Any, given: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(0)
        return await super().run(starting_agent, given, **kwargs)

    def run_streamed(self, starting_agent: Any, given: Any, **kwargs: Any) -> Any:
        return super().run_streamed(starting_agent, given, **kwargs)


class CallingTwice(Calling):
    """One more storey above it."""

    async def run(self, starting_agent: Any, given: Any, **kwargs: Any) -> Any:
        return await super().run(starting_agent, given, **kwargs)

    def run_streamed(self, starting_agent: Any, given: Any, **kwargs: Any) -> Any:
        return super().run_streamed(starting_agent, given, **kwargs)


class Delegating(AgentRunner):
    """Hands a copy of the agent to a runner that it holds."""

    def __init__(self) -> None:
        self._inner = AgentRunner()

    async def run(self, starting_agent: Any, given: Any, **kwargs: Any) -> Any:
        return await self._inner.run(starting_agent.clone(), given, **kwargs)

    def run_streamed(self, starting_agent: Any, given: Any, **kwargs: Any) -> Any:
        return self._inner.run_streamed(starting_agent.clone(), given, **kwargs)


class Inheriting(AgentRunner):
    """Changes nothing."""


@modes
@pytest.mark.parametrize("runner", [Calling, CallingTwice, Delegating, Inheriting])
def test_a_runner_of_the_application_makes_one_run(
    runner: type[AgentRunner], mode: Mode
) -> None:
    set_default_agent_runner(runner())
    recorded = record(lambda: play(mode, assistant(say("Hello"))))
    assert recorded.error is None
    assert tree_of(recorded.events) == _ANSWER


@modes
def test_a_runner_class_made_while_recording_makes_one_run(mode: Mode) -> None:
    def late() -> Any:
        class Late(AgentRunner):
            async def run(self, starting_agent: Any, given: Any, **kwargs: Any) -> Any:
                return await super().run(starting_agent, given, **kwargs)

            def run_streamed(
                self, starting_agent: Any, given: Any, **kwargs: Any
            ) -> Any:
                return super().run_streamed(starting_agent, given, **kwargs)

        set_default_agent_runner(Late())
        return play(mode, assistant(say("Hello")))

    assert tree_of(record(late).events) == _ANSWER


def test_a_runner_that_never_calls_super_is_a_run_of_its_own() -> None:
    class Canned(AgentRunner):
        async def run(self, starting_agent: Any, given: Any, **kwargs: Any) -> Any:
            return f"canned answer to {given}"

    set_default_agent_runner(Canned())
    agent: Agent[Any] = Agent(name="Assistant")
    recorded = record(lambda: play(Mode.RUN, agent))
    assert recorded.value == "canned answer to Hi"
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          AGENT Assistant
            INPUT
        """
    )


def test_a_runner_may_run_another_agent_first() -> None:
    scout = assistant(say("It rains"), name="Scout")

    class Scouting(AgentRunner):
        async def run(self, starting_agent: Any, given: Any, **kwargs: Any) -> Any:
            if starting_agent.name != "Scout":
                await Runner.run(scout, "Weather?")
            return await super().run(starting_agent, given, **kwargs)

    set_default_agent_runner(Scouting())
    recorded = record(lambda: play(Mode.RUN, assistant(say("Hello"))))
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          AGENT Assistant
            INPUT
            AGENT Scout
              MODEL
            MODEL
            OUTPUT
        """
    )


def test_a_run_inside_a_tool_stands_under_the_tool() -> None:
    from agents import function_tool

    from tests.support.agent_runs import calls, run_in

    inner = assistant(say("blue"), name="Painter")

    @function_tool
    async def paint() -> str:
        result = await run_in(Mode.STREAMED, inner, "A colour?")
        return str(result.final_output)

    agent = assistant(calls(("paint", {})), say("Blue it is"), tools=[paint])
    recorded = record(lambda: play(Mode.RUN, agent))
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          AGENT Assistant
            INPUT
            MODEL
            TOOL paint
              AGENT Painter
                MODEL
            MODEL
            OUTPUT
        """
    )


def test_enabling_in_the_middle_of_a_run_records_the_next_one() -> None:
    from chaukas.sdk.testing import capture_events
    from tests.support.agent_runs import run_in

    async def story() -> list[dict[str, Any]]:
        agent = assistant(say("Hello"), say("Hello again"))
        running = Runner.run_streamed(agent, "Hi")
        stream = running.stream_events()
        await anext(stream)
        with capture_events() as events:
            async for _ in stream:
                pass
            await run_in(Mode.RUN, agent)
        return events()

    events = asyncio.run(story())
    agents = [e for e in events if e["type"] == "EVENT_TYPE_AGENT_START"]
    assert len(agents) == 1
    tree_of(events)


def test_disabling_in_the_middle_of_a_run_ends_what_is_open() -> None:
    from chaukas.sdk.testing import capture_events

    async def story() -> tuple[list[dict[str, Any]], Any]:
        agent = assistant(say("Hello"))
        with capture_events() as events:
            running = Runner.run_streamed(agent, "Hi")
        async for _ in running.stream_events():
            pass
        return events(), running.final_output

    events, output = asyncio.run(story())
    assert output == "Hello"
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT Assistant CANCELLED
            INPUT
        """
    )
