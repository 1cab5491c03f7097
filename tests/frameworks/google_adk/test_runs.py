"""Runs of ADK that are left, cancelled, interleaved, or never begun."""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing, suppress
from types import SimpleNamespace
from typing import Any

import pytest
from google.adk.agents import BaseAgent, ParallelAgent
from google.adk.events.event import Event
from google.adk.plugins.base_plugin import BasePlugin

import chaukas
from tests.frameworks.google_adk.support import (
    RELEASE,
    add,
    agent,
    ask,
    new_session,
    play,
    recorded,
    runner_of,
    said,
    shape,
    tree_of,
)
from tests.support.trees import named, only, tree

ADD = ("add", {"a": 1, "b": 2})


async def begin(runner: Any, **more: Any) -> Any:
    """Return the generator of a run in a new session."""
    session = await new_session(runner)
    return runner.run_async(
        user_id="u", session_id=session, new_message=said("hi"), **more
    )


LEFT = tree(
    """
    SESSION
      AGENT root CANCELLED
        INPUT
        MODEL
    """
)


def test_a_run_that_is_left_after_the_first_step_is_cancelled() -> None:
    async def program() -> None:
        async with aclosing(
            await begin(runner_of(agent([ADD], tools=[add])))
        ) as events:
            async for _ in events:
                break

    assert shape(program()) == LEFT


def test_a_run_may_be_closed_by_another_task() -> None:
    async def program() -> None:
        events = await begin(runner_of(agent([ADD], tools=[add])))
        await asyncio.create_task(anext(events))
        await asyncio.create_task(events.aclose())

    assert shape(program()) == LEFT


def test_a_run_that_is_left_after_its_answer_has_done_its_work() -> None:
    async def program() -> None:
        async with aclosing(await begin(runner_of(agent("hello")))) as events:
            async for _ in events:
                break

    events = play(program())
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
            OUTPUT
        """
    )
    assert only(events, "AGENT_END")["metadata"]["closed_early"] is True


async def _never() -> Any:
    await asyncio.Event().wait()


def test_a_run_that_is_cancelled_in_its_model() -> None:
    async def program() -> None:
        entered = asyncio.Event()

        async def step() -> None:
            entered.set()
            await _never()

        task = asyncio.create_task(ask(runner_of(agent(step))))
        await entered.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert shape(program()) == tree(
        """
        SESSION
          AGENT root CANCELLED
            INPUT
            MODEL CANCELLED
        """
    )


def test_a_run_that_times_out_in_a_tool() -> None:
    async def program() -> None:
        entered = asyncio.Event()

        async def slow() -> str:
            """Wait."""
            entered.set()
            await _never()
            return ""

        task = asyncio.create_task(ask(runner_of(agent([("slow", {})], tools=[slow]))))
        await entered.wait()
        await asyncio.wait_for(task, 0)

    assert shape(program()) == tree(
        """
        SESSION
          AGENT root CANCELLED
            INPUT
            MODEL
            TOOL slow CANCELLED
        """
    )


@pytest.mark.skipif(RELEASE < (2, 11), reason="it came with 2.11")
def test_a_run_that_is_aborted_in_a_tool() -> None:
    async def program() -> None:
        signal = asyncio.Event()

        async def slow() -> str:
            """Wait."""
            signal.set()
            await _never()
            return ""

        root = agent([("slow", {})], tools=[slow])
        await asyncio.wait_for(ask(runner_of(root), abort_signal=signal), 120)

    assert shape(program()) == tree(
        """
        SESSION
          AGENT root CANCELLED
            INPUT
            MODEL
            TOOL slow CANCELLED
        """
    )


def test_a_run_that_nobody_iterates_leaves_nothing() -> None:
    async def program() -> None:
        await begin(runner_of(agent("hello")))

    assert shape(program()) == ""


def test_two_runs_interleaved_in_one_task_are_two_trees() -> None:
    async def program() -> None:
        runners = [runner_of(agent([ADD], "x", tools=[add])) for _ in range(2)]
        runs = [await begin(runner) for runner in runners]
        while runs:
            for run in list(runs):
                try:
                    await anext(run)
                except StopAsyncIteration:
                    runs.remove(run)

    assert shape(program()) == tree(
        """
        SESSION x2
          AGENT root
            INPUT
            MODEL
            TOOL add
            MODEL
            OUTPUT
        """
    )


def test_a_run_between_two_events_of_another_is_its_own() -> None:
    async def program() -> None:
        async for _ in await begin(runner_of(agent("hello"))):
            await ask(runner_of(agent("inner")))

    events = play(program())
    assert tree_of(events) == tree(
        """
        SESSION x2
          AGENT root
            INPUT
            MODEL
            OUTPUT
        """
    )


def test_a_run_inside_of_a_tool_is_a_part_of_it() -> None:
    async def nested() -> str:
        """Run another agent."""
        await ask(runner_of(agent("inner", name="inner")))
        return "x"

    root = agent([("nested", {})], "done", tools=[nested])
    assert shape(ask(runner_of(root))) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
            TOOL nested
              AGENT inner
                MODEL
            MODEL
            OUTPUT
        """
    )


def test_many_runs_at_once_do_not_mix() -> None:
    async def program() -> None:
        runs = [
            ask(runner_of(agent([ADD], f"answer {n}", tools=[add])), f"question {n}")
            for n in range(50)
        ]
        await asyncio.gather(*runs)

    events = play(program())
    assert tree_of(events) == tree(
        """
        SESSION x50
          AGENT root
            INPUT
            MODEL
            TOOL add
            MODEL
            OUTPUT
        """
    )
    by_trace: dict[str, list[str]] = {}
    for kind in ("INPUT_RECEIVED", "OUTPUT_EMITTED"):
        for event in named(events, kind):
            words = event["message"]["text"].split()
            by_trace.setdefault(event["trace_id"], []).append(words[1])
    assert all(len(set(numbers)) == 1 for numbers in by_trace.values())
    assert len(by_trace) == 50


def test_many_runs_with_agents_in_parallel_do_not_mix() -> None:
    async def echo(number: str, who: str) -> str:
        """Come back later, so that the others go on."""
        await asyncio.sleep(0)
        return f"{number} {who}"

    def root(number: int) -> ParallelAgent:
        return ParallelAgent(
            name="par",
            sub_agents=[
                agent(
                    [("echo", {"number": str(number), "who": who})],
                    f"answer {number} {who}",
                    name=who,
                    tools=[echo],
                )
                for who in ("p1", "p2", "p3")
            ],
        )

    async def program() -> None:
        runs = [ask(runner_of(root(n)), f"question {n}") for n in range(50)]
        await asyncio.gather(*runs)

    events = play(program())
    below = """
                  MODEL
                  TOOL echo
                  MODEL
                  OUTPUT"""
    trees = {
        tree_of([event for event in events if event.get("session_id") == session])
        for session in {event["session_id"] for event in named(events, "AGENT_START")}
    }
    # Agents of one run may begin in any order; these begin in theirs.
    assert trees == {
        tree(
            f"""
            SESSION
              AGENT par
                INPUT
                AGENT p1{below}
                AGENT p2{below}
                AGENT p3{below}
            """
        )
    }
    numbers: dict[str, set[str]] = {}
    for event in events:
        found = re.findall(r"(?:question|answer) (\d+)|'number': '(\d+)'", str(event))
        told = {first or second for first, second in found}
        numbers.setdefault(event["trace_id"], set()).update(told)
    assert sorted(len(found) for found in numbers.values() if found) == [1] * 50
    for kind, text in (
        ("OUTPUT_EMITTED", "message"),
        ("TOOL_CALL_END", "tool_response"),
    ):
        for event in named(events, kind):
            assert event["agent_name"] in str(event[text])


def test_sessions_of_two_users_with_one_name_are_two() -> None:
    async def program() -> None:
        runner = runner_of(agent("one", "two"))
        for user in ("ann", "bob"):
            await new_session(runner, user, session_id="s1")
        await asyncio.gather(*(ask(runner, "hi", "s1", user=u) for u in ("ann", "bob")))

    events = play(program())
    ids = [event["session_id"] for event in named(events, "SESSION_START")]
    assert sorted(ids) == ["app1/ann/s1", "app1/bob/s1"]


def test_names_with_slashes_are_not_taken_for_other_names() -> None:
    async def program() -> None:
        runner = runner_of(agent("one", "two"))
        for user, name in (("ann", "a/s1"), ("ann/a", "s1")):
            await new_session(runner, user, session_id=name)
            await ask(runner, "hi", name, user=user)

    events = play(program())
    ids = [event["session_id"] for event in named(events, "SESSION_START")]
    assert ids == ["app1/ann/a%2Fs1", "app1/ann%2Fa/s1"]


def test_an_event_of_another_kind_spoils_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Odd(BaseAgent):
        async def _run_async_impl(self, ctx: Any) -> Any:
            yield Event(author="odd", content=said("hello"))
            yield Event(author="odd", content=said("more"), partial=True)

    class Spoiler(BasePlugin):
        async def on_event_callback(self, **_: Any) -> Any:
            return SimpleNamespace(author="odd", content=said("mine"), partial=False)

    async def program() -> None:
        runner = runner_of(Odd(name="odd"), plugins=[Spoiler(name="spoiler")])
        with suppress(AttributeError):
            await ask(runner)

    events = play(program())
    assert len(named(events, "AGENT_START")) == len(named(events, "AGENT_END")) == 1
    assert tree_of(events).startswith("SESSION\n  AGENT odd")
    assert not [each for each in caplog.records if each.name.startswith("chaukas")]


def test_a_run_that_makes_too_many_calls_fails() -> None:
    from google.adk.agents.run_config import RunConfig

    root = agent([ADD], [ADD], [ADD], tools=[add])
    assert shape(ask(runner_of(root), run_config=RunConfig(max_llm_calls=2))) == tree(
        """
        SESSION
          AGENT root FAILED
            INPUT
            MODEL
            TOOL add
            MODEL
            TOOL add
            ERROR LlmCallsLimitExceededError
        """
    )


def test_a_run_in_a_session_that_is_not_there() -> None:
    drawn = shape(ask(runner_of(agent("x")), "hi", "nowhere"))
    error = "SessionNotFoundError" if RELEASE >= (1, 20) else "ValueError"
    assert drawn == tree(
        f"""
        SESSION
          INPUT
          ERROR {error}
        """
    )


def test_a_run_that_is_repeated_after_a_failure_is_a_retry() -> None:
    async def program() -> None:
        runner = runner_of(agent(ConnectionError("connection lost"), "hello"))
        session = await new_session(runner)
        for _ in range(2):
            try:
                await ask(runner, "hi", session)
            except ConnectionError:
                continue

    events = play(program())
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root FAILED
            INPUT
            MODEL FAILED
              ERROR ConnectionError
          DATA_ACCESS InMemorySessionService
          AGENT root
            RETRY application 1/0
            INPUT
            MODEL
            OUTPUT
        """
    )


def test_a_session_of_the_application_holds_for_a_run_in_a_thread() -> None:
    runner = runner_of(agent("hello"))
    session = asyncio.run(new_session(runner))
    with recorded() as events, chaukas.session("support-17"):
        list(runner.run(user_id="u", session_id=session, new_message=said("hi")))
    assert {event["session_id"] for event in named(events(), "AGENT_START")} == {
        "support-17"
    }


def test_a_message_that_a_plugin_changes_is_told_as_it_was_sent() -> None:
    class Changer(BasePlugin):
        async def on_user_message_callback(self, **_: Any) -> Any:
            return said("something else")

    events = play(ask(runner_of(agent("x"), plugins=[Changer(name="changer")])))
    message = only(events, "INPUT_RECEIVED")["message"]
    assert message["text"] == "hi"
    assert message["metadata"] == {"changed_by_plugin": True}
    assert "POLICY on_user_message_callback override" in tree_of(events)


def test_enabling_loads_nothing_of_adk() -> None:
    import subprocess
    import sys

    program = (
        "import sys, google.adk.runners\n"
        "before = set(sys.modules)\n"
        "import chaukas\n"
        "chaukas.enable_chaukas(output_file='/dev/null', integrations=['google_adk'])\n"
        "new = {n for n in sys.modules if n not in before}\n"
        "print(sorted(n for n in new if n.startswith('google.adk')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_every_hook_point_of_this_release_is_found() -> None:
    with recorded() as events:
        asyncio.run(ask(runner_of(agent([ADD], "x", tools=[add]))))
    enabled = next(
        event
        for event in named(events(), "SYSTEM")
        if event["metadata"]["name"] in ("chaukas.enabled", "chaukas.integration")
    )
    hooks = enabled["metadata"]["data"]["integrations"]["google_adk"]["hooks"]
    assert hooks.get("missing", []) == []
