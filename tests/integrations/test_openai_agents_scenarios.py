"""
The acceptance scenarios: for each story the whole tree of its events.

Each is played as `Runner.run`, streamed and as `run_sync`, because an application may
choose any of them and its record must say the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support import scenarios
from tests.support.agent_runs import Mode, modes, play, record, say
from tests.support.trees import spans_of, tree, tree_of

if TYPE_CHECKING:
    from collections.abc import Callable


_ANSWER = """
    SESSION
      AGENT Assistant
        INPUT
        MODEL
        OUTPUT
"""
_PARALLEL_TOOLS = """
    SESSION
      AGENT Assistant
        INPUT
        MODEL
        TOOL plus
        TOOL times
        MODEL
        OUTPUT
"""
_GUARDED = """
    SESSION
      AGENT Assistant FAILED
        INPUT
        POLICY no_secrets deny
        ERROR InputGuardrailTripwireTriggered
"""

TREES: dict[Callable[[Mode], Any], str] = {
    scenarios.answer: _ANSWER,
    scenarios.parallel_tools: _PARALLEL_TOOLS,
    scenarios.failing_tool: """
        SESSION
          AGENT Assistant
            INPUT
            MODEL
            TOOL fail FAILED
              ERROR ValueError recoverable
            MODEL
            OUTPUT
    """,
    scenarios.raising_tool: """
        SESSION
          AGENT Assistant FAILED
            INPUT
            MODEL
            TOOL explode FAILED
              ERROR ValueError
    """,
    scenarios.slow_tool: """
        SESSION
          AGENT Assistant
            INPUT
            MODEL
            TOOL wait_for_ever FAILED
              ERROR ToolTimeoutError recoverable
            MODEL
            OUTPUT
    """,
    scenarios.unknown_tool: """
        SESSION
          AGENT Assistant FAILED
            INPUT
            MODEL
            ERROR ModelBehaviorError
    """,
    scenarios.handoff: """
        SESSION
          AGENT Clerk
            INPUT
            MODEL
            HANDOFF Clerk -> Expert
          AGENT Expert
            MODEL
            OUTPUT
    """,
    scenarios.agent_as_tool: """
        SESSION
          AGENT Outer
            INPUT
            MODEL
            TOOL calculate
              AGENT Inner
                MODEL
                TOOL add
                MODEL
            MODEL
            OUTPUT
    """,
    scenarios.streaming_agent_as_tool: """
        SESSION
          AGENT Outer
            INPUT
            MODEL
            TOOL calculate
              AGENT Inner
                MODEL
            MODEL
            OUTPUT
    """,
    scenarios.blocking_guardrail: _GUARDED,
    scenarios.raising_guardrail: """
        SESSION
          AGENT Assistant FAILED
            INPUT
            MODEL
            ERROR RuntimeError
    """,
    scenarios.output_guardrail: """
        SESSION
          AGENT Assistant FAILED
            INPUT
            MODEL
            POLICY polite deny
            ERROR OutputGuardrailTripwireTriggered
    """,
    scenarios.tool_input_guardrail: """
        SESSION
          AGENT Assistant
            INPUT
            MODEL
            POLICY small_numbers deny
            MODEL
            OUTPUT
    """,
    scenarios.tool_output_guardrail: """
        SESSION
          AGENT Assistant FAILED
            INPUT
            MODEL
            TOOL look_up FAILED
              POLICY no_names deny
              ERROR ToolOutputGuardrailTripwireTriggered
    """,
    scenarios.judged: """
        SESSION
          AGENT Assistant
            INPUT
            AGENT Judge
              MODEL
            POLICY judge allow
            MODEL
            OUTPUT
    """,
    scenarios.endless_tools: """
        SESSION
          AGENT Assistant FAILED
            INPUT
            MODEL
            TOOL add
            MODEL
            TOOL add
            ERROR MaxTurnsExceeded
    """,
    scenarios.handled_turn_limit: """
        SESSION
          AGENT Assistant
            INPUT
            MODEL
            TOOL add
            ERROR MaxTurnsExceeded recoverable
            OUTPUT
    """,
    scenarios.refusal: """
        SESSION
          AGENT Assistant FAILED
            INPUT
            MODEL
            POLICY model_refusal deny
            ERROR ModelRefusalError
    """,
    scenarios.broken_model: """
        SESSION
          AGENT Assistant FAILED
            INPUT
            MODEL FAILED
              ERROR RuntimeError
    """,
    scenarios.runner_retries: """
        SESSION
          AGENT Assistant
            INPUT
            MODEL
              RETRY runner 1/2
              RETRY runner 2/2
            OUTPUT
    """,
    scenarios.without_tracing: _PARALLEL_TOOLS,
}


@modes
@pytest.mark.parametrize("scenario", TREES, ids=lambda one: one.__name__)
def test_a_scenario_has_its_whole_tree(
    scenario: Callable[[Mode], Any], mode: Mode
) -> None:
    recorded = record(lambda: scenario(mode))
    assert tree_of(recorded.events) == tree(TREES[scenario])


def test_every_scenario_has_a_tree() -> None:
    told = {*TREES, scenarios.parallel_guardrail}
    assert told == set(scenarios.SCENARIOS)


@modes
def test_a_parallel_guardrail_that_trips_denies_and_fails_the_run(mode: Mode) -> None:
    recorded = record(lambda: scenarios.parallel_guardrail(mode))
    # Streamed, the model has begun before the guardrail's task gets its turn.
    model = ["    MODEL"] if mode is Mode.STREAMED else []
    *head, error = tree(_GUARDED).split("\n")
    assert tree_of(recorded.events).split("\n") == [*head, *model, error]


def test_parallel_tools_overlap() -> None:
    recorded = record(lambda: scenarios.parallel_tools(Mode.RUN))
    tools = [span for span in spans_of(recorded.events) if span.kind == "TOOL"]
    seqs = [
        [event["metadata"]["chaukas"]["seq"] for event in (tool.start, tool.end)]
        for tool in tools
    ]
    assert max(start for start, _ in seqs) < min(end for _, end in seqs)
    ids = [tool.start["tool_call"]["tool_id"] for tool in tools]
    assert ids == ["call_1", "call_2"]


def test_each_run_is_a_trace_and_one_session_holds_them() -> None:
    def twice() -> None:
        agent = scenarios.assistant(say("one"), say("two"))
        play(Mode.RUN, agent, "first")
        play(Mode.STREAMED, agent, "second")

    events = record(twice).events
    run = """
          AGENT Assistant
            INPUT
            MODEL
            OUTPUT
    """
    assert tree_of(events) == "SESSION\n" + "\n".join(
        f"  {line}"
        for line in tree(run).replace("Assistant", "Assistant x2").split("\n")
    )
    agents = [span for span in spans_of(events) if span.kind == "AGENT"]
    traces = [agent.start["trace_id"] for agent in agents]
    assert len(set(traces)) == 2
    session = next(span for span in spans_of(events) if span.kind == "SESSION")
    assert session.start["trace_id"] == session.end["trace_id"] == traces[0]


def test_tracing_disabled_by_the_environment_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_AGENTS_DISABLE_TRACING", "1")
    recorded = record(lambda: scenarios.parallel_tools(Mode.RUN))
    assert tree_of(recorded.events) == tree(_PARALLEL_TOOLS)


def test_nothing_is_recorded_once_disabled() -> None:
    recorded = record(lambda: scenarios.answer(Mode.RUN))
    scenarios.answer(Mode.RUN)
    assert tree_of(recorded.events) == tree(_ANSWER)
    types = [event["type"] for event in recorded.events]
    assert types[0] == types[-1] == "EVENT_TYPE_SYSTEM"
