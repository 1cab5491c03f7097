"""
Other packages that patch the SDK too, and functions that were taken early.

What such packages do is done here by hand; `tests/companions` runs the real ones.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import agents.run
import pytest
from agents import Agent, function_tool
from agents.testing import ScriptedModel

import chaukas.sdk
from chaukas.sdk.integrations.openai_agents.runs import runners
from chaukas.sdk.integrations.openai_agents.runs.runners import BODIES
from chaukas.sdk.patching import MonkeyPatcher, Patch
from chaukas.sdk.patching.placed import PlacedFunction
from chaukas.sdk.testing import capture_events
from tests.support.agent_runs import (
    MODES,
    Mode,
    calls,
    in_loop,
    modes,
    play,
    record,
    run_in,
    say,
)
from tests.support.scenarios import add
from tests.support.trees import named, tree_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def _team() -> Agent[Any]:
    """Return an agent with a tool that is an agent, and one to hand over to."""
    helper: Agent[Any] = Agent("Helper", model=ScriptedModel([say("help")]))
    expert: Agent[Any] = Agent("Expert", model=ScriptedModel([say("Done")]))
    tool = helper.as_tool("help_me", "Help.")
    script = [
        calls(("add", {"a": 1, "b": 2})),
        calls(("help_me", {"input": "please"}), first=2),
        calls(("transfer_to_expert", {}), first=3),
    ]
    return Agent(
        "Clerk", tools=[add, tool], handoffs=[expert], model=ScriptedModel(script)
    )


@pytest.fixture(scope="module")
def expected() -> dict[Mode, str]:
    return {
        mode: tree_of(record(lambda mode=mode: play(mode, _team())).events)
        for mode in MODES
    }


@pytest.fixture(autouse=True)
def runner() -> Iterator[Any]:
    """Give each test a default runner of its own."""
    before = agents.run.DEFAULT_AGENT_RUNNER
    agents.run.set_default_agent_runner(None)
    yield agents.run.DEFAULT_AGENT_RUNNER
    agents.run.set_default_agent_runner(before)


def _well_behaved(original: Callable[..., Any]) -> Callable[..., Any]:
    if original.__name__ == "run":

        @functools.wraps(original)
        async def wrapper(agent: Any, *args: Any, **kwargs: Any) -> Any:
            return await original(agent.clone(), *args, **kwargs)

        return wrapper

    @functools.wraps(original)
    def streamed(agent: Any, *args: Any, **kwargs: Any) -> Any:
        return original(agent.clone(), *args, **kwargs)

    return streamed


def _bare(original: Callable[..., Any]) -> Callable[..., Any]:
    if original.__name__ == "run":

        async def run(*args: Any, **kwargs: Any) -> Any:
            return await original(*args, **kwargs)

        return run

    def run_streamed(*args: Any, **kwargs: Any) -> Any:
        return original(*args, **kwargs)

    return run_streamed


def _stand_on(runner: Any, wrap: Callable[..., Any]) -> None:
    runner.run, runner.run_streamed = wrap(runner.run), wrap(runner.run_streamed)


both = pytest.mark.parametrize("wrap", [_well_behaved, _bare])


@both
@modes
def test_functions_on_the_runner_from_before_hide_no_run(
    wrap: Any, mode: Mode, runner: Any, expected: dict[Mode, str]
) -> None:
    _stand_on(runner, wrap)
    before = dict(vars(runner))
    recorded = record(lambda: play(mode, _team()))
    assert recorded.value.final_output == "Done"
    assert tree_of(recorded.events) == expected[mode]
    after = vars(runner)
    assert after.keys() == before.keys()
    assert all(after[name] is value for name, value in before.items())


@both
@modes
def test_functions_on_the_runner_from_afterwards_double_no_run(
    wrap: Any, mode: Mode, runner: Any, expected: dict[Mode, str]
) -> None:
    with capture_events() as events:
        _stand_on(runner, wrap)
        play(mode, _team())
    assert tree_of(events()) == expected[mode]


@both
@modes
def test_chaukas_off_and_on_again_under_another_package(
    wrap: Any, mode: Mode, runner: Any, expected: dict[Mode, str]
) -> None:
    with capture_events():
        _stand_on(runner, wrap)
    recorded = record(lambda: play(mode, _team()))
    assert tree_of(recorded.events) == expected[mode]
    assert record(lambda: play(mode, _team())).value.final_output == "Done"


@in_loop
def test_functions_that_were_taken_early_are_recorded(
    mode: Mode, runner: Any, expected: dict[Mode, str]
) -> None:
    run, run_streamed = runner.run, runner.run_streamed

    async def story() -> Any:
        if mode is Mode.RUN:
            return await run(_team(), "Hi")
        result = run_streamed(_team(), "Hi")
        async for _ in result.stream_events():
            pass
        return result

    recorded = record(story)
    assert recorded.value.final_output == "Done"
    assert tree_of(recorded.events) == expected[mode]


@in_loop
def test_an_early_function_inside_a_run_is_a_run_of_its_own(
    mode: Mode, runner: Any
) -> None:
    run = runner.run

    async def ask() -> Any:
        inner: Agent[Any] = Agent("Inner", model=ScriptedModel([say("yes")]))
        return (await run(inner, "Really?")).final_output

    outer: Agent[Any] = Agent(
        "Outer",
        model=ScriptedModel([calls(("ask", {})), say("Yes")]),
        tools=[function_tool(ask)],
    )
    events = record(lambda: run_in(mode, outer)).events
    assert tree_of(events).splitlines() == [
        "SESSION",
        "  AGENT Outer",
        "    INPUT",
        "    MODEL",
        "    TOOL ask",
        "      AGENT Inner",
        "        MODEL",
        "    MODEL",
        "    OUTPUT",
    ]


@in_loop
def test_an_early_function_that_fails_is_a_failed_run(mode: Mode, runner: Any) -> None:
    run, run_streamed = runner.run, runner.run_streamed
    agent: Agent[Any] = Agent("A", model=ScriptedModel([RuntimeError("broken")]))

    async def story() -> Any:
        if mode is Mode.RUN:
            return await run(agent, "Hi")
        async for _ in run_streamed(agent, "Hi").stream_events():
            pass
        return None

    recorded = record(story)
    assert str(recorded.error) == "broken"
    (end,) = named(recorded.events, "AGENT_END")
    assert end["status"] == "EVENT_STATUS_FAILED"


def test_runs_that_cannot_be_seen_are_told_once(
    runner: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As in releases whose `run` is one function, which was taken early."""
    run = runner.run
    install = MonkeyPatcher.install

    def without(self: MonkeyPatcher, patch: Patch) -> str:
        return "missing" if patch.target in BODIES else install(self, patch)

    async def twice() -> None:
        for _ in range(2):
            agent: Agent[Any] = Agent("A", model=ScriptedModel([say("Hi")]))
            await run(agent, "Hi")

    monkeypatch.setattr(MonkeyPatcher, "install", without)
    monkeypatch.setattr(runners, "_is_told", False)
    events = record(twice).events
    assert len(named(events, "MODEL_INVOCATION_END")) == 2
    told = [line for line in caplog.messages if "only its model calls" in line]
    assert len(told) == 1


# -- modules that are loaded again --------------------------------------------------


@pytest.fixture
def reload_after() -> Iterator[None]:
    """Leave the module as other tests expect it: with the classes that they hold."""
    names = dict(vars(agents.run))
    yield
    vars(agents.run).clear()
    vars(agents.run).update(names)


@modes
def test_a_module_that_is_reloaded_is_recorded_again(
    mode: Mode, reload_after: None, expected: dict[Mode, str]
) -> None:
    with capture_events() as events:
        importlib.reload(agents.run)
        play(mode, _team())
    assert tree_of(events()) == expected[mode]
    assert not [
        name
        for name, value in vars(agents.run.AgentRunner).items()
        if type(value) is PlacedFunction
    ]


def test_a_reload_leaves_loader_and_spec_as_they_are(reload_after: None) -> None:
    with capture_events():
        importlib.reload(agents.run)
    spec = agents.run.__spec__
    assert spec is not None
    assert type(spec.loader).__module__ == "_frozen_importlib_external"
    assert agents.run.__loader__ is spec.loader


def test_old_and_new_class_are_recorded_after_a_reload(reload_after: None) -> None:
    old = agents.run.AgentRunner
    with capture_events() as events:
        importlib.reload(agents.run)
        for runner in (old(), agents.run.AgentRunner()):
            agent: Any = Agent("A", model=ScriptedModel([say("Hi")]))
            asyncio.run(runner.run(agent, "Hi"))
    assert len(named(events(), "AGENT_START")) == 2


def test_a_second_enable_mends_what_the_program_undid(runner: Any) -> None:
    """A test of the application, say, that puts the original back."""
    original = vars(type(runner))["run"]
    with capture_events() as events:
        placed = vars(type(runner))["run"]
        body = vars(type(runner))["_run_impl"]
        type(runner).run = original
        type(runner)._run_impl = body.__wrapped__
        assert chaukas.sdk.enable_chaukas() is False
        agent: Any = Agent("A", model=ScriptedModel([say("Hi")]))
        asyncio.run(runner.run(agent, "Hi"))
    assert type(placed) is PlacedFunction
    assert len(named(events(), "AGENT_START")) == 1
    assert vars(type(runner))["run"] is original


_AGAIN = """
import asyncio, sys
import agents
import chaukas.sdk
from chaukas.sdk.testing import capture_events

def run(agents):
    from agents.testing import ScriptedModel, assistant_message
    model = ScriptedModel([[assistant_message("Hi")]])
    asyncio.run(agents.Runner.run(agents.Agent("A", model=model), "Hi"))

with capture_events() as events:
    run(agents)
    old = agents
    for name in [name for name in sys.modules if name.partition(".")[0] == "agents"]:
        del sys.modules[name]
    import agents as new
    assert new is not old
    run(new)
kinds = [event["type"][11:] for event in events()]
print(kinds.count("AGENT_START"), kinds.count("MODEL_INVOCATION_END"))
"""


def test_a_framework_that_is_dropped_and_imported_again_is_recorded() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _AGAIN], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "2 2\n"), ended.stderr
