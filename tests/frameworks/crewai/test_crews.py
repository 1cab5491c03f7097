"""Crews: every way to kick one off, and how its tasks follow one another."""

from __future__ import annotations

import asyncio
import json
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from crewai import Agent, Process

from chaukas import sdk as chaukas
from loopback import Text
from tests.frameworks.crewai.scripted import (
    ScriptedLLM,
    agent,
    call,
    crew,
    recorded,
    served,
    task,
    words,
)
from tests.support.trees import named, only, tree, tree_of

ONE = tree(
    """
    SESSION
      AGENT crew
        INPUT
        AGENT writer
          MODEL
        OUTPUT
    """
)


def test_a_crew_with_inputs_is_one_tree() -> None:
    with recorded() as events:
        worker = agent("It is blue")
        done = crew(task(worker, "Say {what}")).kickoff(inputs={"what": "sky"})
    assert done.raw == "It is blue"
    assert tree_of(events()) == ONE
    assert only(events(), "INPUT_RECEIVED")["message"] == {
        "role": "user",
        "text": '{"what":"sky"}',
        "metadata": {"source": "inputs"},
    }
    assert only(events(), "OUTPUT_EMITTED")["message"]["text"] == "It is blue"


@pytest.mark.parametrize("kind", ["kickoff", "kickoff_async", "akickoff"])
def test_a_crew_without_inputs_is_the_same_tree_however_it_is_kicked_off(
    kind: str,
) -> None:
    with recorded() as events:
        given: Any = crew(task(agent("It is blue")))
        result = getattr(given, kind)()
        if kind != "kickoff":
            result = asyncio.run(_awaited(result))
    assert result.raw == "It is blue"
    assert tree_of(events()) == ONE
    assert only(events(), "INPUT_RECEIVED")["message"]["text"] == "Write a line"


async def _awaited(given: Any) -> Any:
    return await given


TWO = tree(
    """
    SESSION
      AGENT crew
        INPUT
        AGENT first
          MODEL
        HANDOFF first -> second
        AGENT second
          MODEL
        OUTPUT
    """
)


def test_the_next_task_of_another_agent_is_a_handoff() -> None:
    with recorded() as events:
        first, second = agent("one", role="first"), agent("two", role="second")
        crew(task(first), task(second, "Write more")).kickoff()
    assert tree_of(events()) == TWO
    handoff = only(events(), "AGENT_HANDOFF")["agent_handoff"]
    assert handoff["handoff_type"] == "sequence"
    assert handoff["handoff_data"] == {
        "from_task": "Write a line",
        "to_task": "Write more",
        "context_chars": 3,
    }


def test_two_tasks_of_one_agent_are_no_handoff() -> None:
    with recorded() as events:
        worker = agent("one", "two")
        crew(task(worker), task(worker, "Write more")).kickoff()
    assert "HANDOFF" not in tree_of(events())


DELEGATE = {"task": "Count", "context": "all", "coworker": "second"}


def test_a_task_that_is_delegated_is_a_handoff_inside_the_tool() -> None:
    with recorded() as events:
        first = agent(
            [call("delegate_work_to_coworker", DELEGATE)],
            "told",
            role="first",
            allow_delegation=True,
        )
        second = agent("seven", role="second")
        crew(task(first), agents=[first, second]).kickoff()
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT crew
            INPUT
            AGENT first
              MODEL
              TOOL delegate_work_to_coworker
                HANDOFF first -> second
                AGENT second
                  MODEL
              MODEL
            OUTPUT
        """
    )
    handoff = only(events(), "AGENT_HANDOFF")["agent_handoff"]
    assert handoff["handoff_type"] == "delegation"
    assert handoff["handoff_data"] == {"task": "Count"}


def test_a_coworker_that_is_not_there_is_no_handoff() -> None:
    with recorded() as events:
        first = agent(
            [call("delegate_work_to_coworker", {**DELEGATE, "coworker": "nobody"})],
            "told",
            role="first",
            allow_delegation=True,
        )
        crew(task(first), agents=[first, agent(role="second")]).kickoff()
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT crew
            INPUT
            AGENT first
              MODEL
              TOOL delegate_work_to_coworker
              MODEL
            OUTPUT
        """
    )


def test_a_manager_that_asks_a_question_is_a_handoff() -> None:
    ask = {"question": "How many?", "context": "all", "coworker": "second"}
    with recorded() as events:
        manager = ScriptedLLM([call("ask_question_to_coworker", ask)], "told")
        second = agent("seven", role="second")
        crew(
            task(),
            agents=[second],
            process=Process.hierarchical,
            manager_llm=manager,
        ).kickoff()
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT crew
            INPUT
            AGENT Crew Manager
              MODEL
              TOOL ask_question_to_coworker
                HANDOFF Crew Manager -> second
                AGENT second
                  MODEL
              MODEL
            OUTPUT
        """
    )
    handoff = only(events(), "AGENT_HANDOFF")["agent_handoff"]
    assert handoff["handoff_type"] == "question"


@pytest.mark.parametrize("kind", ["kickoff", "akickoff"])
def test_asynchronous_tasks_stand_side_by_side(kind: str) -> None:
    both = threading.Barrier(2, timeout=20)

    def meet() -> str:
        both.wait()
        return "here"

    with recorded() as events:
        one = task(agent(meet, role="one"), async_execution=True)
        two = task(agent(meet, role="two"), async_execution=True)
        last = task(agent("both", role="last"), context=[one, two])
        result = getattr(crew(one, two, last), kind)()
        if kind == "akickoff":
            asyncio.run(_awaited(result))
    assert tree_of(events()).startswith("SESSION\n  AGENT crew\n    INPUT\n")
    agents = {each["agent_name"]: each for each in named(events(), "AGENT_START")}
    top = agents.pop("crew")["span_id"]
    assert {each["parent_span_id"] for each in agents.values()} == {top}
    assert set(agents) == {"one", "two", "last"}
    assert "HANDOFF" not in tree_of(events())


def test_a_stream_of_a_crew_is_the_same_tree() -> None:
    with recorded() as events, served([Text("It is blue")]) as (_, llm):
        stream: Any = crew(task(agent(llm=llm)), stream=True).kickoff()
        for _chunk in stream:
            continue
        assert stream.result.raw == "It is blue"
    assert tree_of(events()) == ONE
    model = only(events(), "MODEL_INVOCATION_END")["llm_invocation"]
    assert model["chunk_count"] > 0
    assert model["time_to_first_token_ms"] > 0


def test_a_stream_stands_in_the_session_in_which_it_was_asked_for() -> None:
    with recorded() as events, served([Text("It is blue")]) as (_, llm):
        with chaukas.session("chat"):
            stream: Any = crew(task(agent(llm=llm)), stream=True).kickoff()
        for _chunk in stream:
            continue
    assert tree_of(events()) == ONE
    assert {each["session_id"] for each in named(events(), "AGENT_START")} == {"chat"}


@pytest.mark.parametrize("kind", ["kickoff", "akickoff"])
def test_a_model_over_http_is_the_same_tree(kind: str) -> None:
    with recorded() as events, served([Text("It is blue")]) as (server, llm):
        result = getattr(crew(task(agent(llm=llm))), kind)()
        if kind == "akickoff":
            result = asyncio.run(_awaited(result))
        assert result.raw == "It is blue"
        assert len(server.requests) == 1
    assert tree_of(events()) == ONE


class Overriding(ScriptedLLM):
    """Calls what it overrides."""

    def call(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        return super().call(messages, *args, **kwargs)


def test_a_model_that_calls_what_it_overrides_is_one_model() -> None:
    with recorded() as events:
        crew(task(agent(llm=Overriding("It is blue")))).kickoff()
    assert tree_of(events()) == ONE


class OwnAgent(Agent):
    """Calls what it overrides."""

    def execute_task(self, *args: Any, **kwargs: Any) -> Any:
        return super().execute_task(*args, **kwargs)


def test_an_agent_that_calls_what_it_overrides_is_one_agent() -> None:
    with recorded() as events:
        worker = OwnAgent(
            role="writer", goal="g", backstory="b", llm=ScriptedLLM("It is blue")
        )
        crew(task(worker)).kickoff()
    assert tree_of(events()) == ONE


def test_two_tenants_at_once_share_nothing() -> None:
    async def one(tenant: str) -> None:
        async with chaukas.session(f"{tenant}-chat", tenant_id=tenant):
            given: Any = crew(task(agent(tenant), f"task of {tenant}"))
            await (given.akickoff() if tenant == "acme" else given.kickoff_async())

    async def main() -> None:
        await asyncio.gather(one("acme"), one("globex"))

    with recorded() as events:
        asyncio.run(main())
    assert tree_of(events()) == ONE.replace("SESSION", "SESSION x2")
    for each in named(events(), "OUTPUT_EMITTED"):
        assert each["message"]["text"] == each["tenant_id"]
        assert each["session_id"] == f"{each['tenant_id']}-chat"


@pytest.mark.parametrize(
    "kind", ["kickoff_for_each", "kickoff_for_each_async", "akickoff_for_each"]
)
def test_a_kickoff_for_each_input_is_as_many_runs(kind: str) -> None:
    with recorded() as events:
        worker = agent("a", "b")
        given = crew(task(worker, "Say {n}"))
        result = getattr(given, kind)([{"n": 1}, {"n": 2}])
        if kind != "kickoff_for_each":
            asyncio.run(_awaited(result))
    assert tree_of(events()) == ONE.replace("AGENT crew", "AGENT crew x2")
    assert len({e["trace_id"] for e in named(events(), "OUTPUT_EMITTED")}) == 2


def test_a_task_is_replayed_in_a_run_of_its_own() -> None:
    with recorded() as events:
        first, second = agent("one", role="first"), agent("two", "three", role="second")
        tasks = task(first), task(second, "Write more")
        given = crew(*tasks)
        given.kickoff()
        assert given.replay(str(tasks[1].id)).raw == "three"
    *_, replay = named(events(), "OUTPUT_EMITTED")
    shown = tree_of(events()).splitlines()
    assert shown[: len(TWO.splitlines())] == TWO.splitlines()
    assert [line.strip() for line in shown[len(TWO.splitlines()) :]] == [
        "AGENT crew",
        "INPUT",
        "AGENT second",
        "MODEL",
        "OUTPUT",
    ]
    kinds = {
        e["span_id"]: e["metadata"].get("agent_type")
        for e in named(events(), "AGENT_START")
    }
    assert kinds[replay["parent_span_id"]] == "crew_replay"


def test_a_planner_is_an_agent_of_its_own_and_no_handoff() -> None:
    plan = {
        "list_of_plans_per_task": [
            {"task_number": 1, "task": "Write a line", "plan": "write"}
        ]
    }
    with recorded() as events:
        given = crew(
            task(agent("It is blue")),
            planning=True,
            planning_llm=ScriptedLLM(json.dumps(plan)),
        )
        given.kickoff()
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT crew
            INPUT
            AGENT Task Execution Planner
              MODEL
            AGENT writer
              MODEL
            OUTPUT
        """
    )


def test_a_callback_that_raises_ends_the_run_with_one_error() -> None:
    def fail(_output: Any) -> None:
        raise LookupError("callback")

    with recorded() as events, pytest.raises(LookupError):
        crew(task(agent("It is blue"), callback=fail)).kickoff()
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT crew FAILED
            INPUT
            AGENT writer FAILED
              MODEL
              ERROR LookupError
        """
    )


def test_a_task_without_a_crew_is_a_run() -> None:
    with recorded() as events:
        assert task(agent("It is blue")).execute_sync().raw == "It is blue"
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT writer
            INPUT
            MODEL
            OUTPUT
        """
    )


@pytest.mark.parametrize("kind", ["kickoff", "kickoff_async"])
def test_an_agent_without_a_crew_is_a_run(kind: str) -> None:
    from tests.frameworks.crewai.test_tools import add

    with recorded() as events:
        worker: Any = agent([call("add", {"a": 1, "b": 2})], "three", tools=[add])
        result = getattr(worker, kind)("1 + 2?")
        if kind != "kickoff":
            result = asyncio.run(_awaited(result))
        assert result.raw == "three"
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT writer
            INPUT
            MODEL
            TOOL add
            MODEL
            OUTPUT
        """
    )


@pytest.mark.parametrize("kind", ["kickoff", "kickoff_async"])
def test_an_agent_of_the_older_kind_is_a_run(kind: str) -> None:
    from crewai.lite_agent import LiteAgent

    from tests.frameworks.crewai.test_tools import add

    answers = words("add", {"a": 1, "b": 2}), "Thought: ah\nFinal Answer: three"
    with recorded() as events:
        llm = ScriptedLLM(*answers, is_native=False)
        worker: Any = LiteAgent(
            role="writer", goal="g", backstory="b", llm=llm, tools=[add]
        )
        result = getattr(worker, kind)("1 + 2?")
        if kind != "kickoff":
            result = asyncio.run(_awaited(result))
    assert result.raw == "three"
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT writer
            INPUT
            MODEL
            TOOL add
            MODEL
            OUTPUT
        """
    )


def test_an_agent_of_the_older_kind_works_again_for_its_guardrail() -> None:
    from crewai.lite_agent import LiteAgent

    verdicts = [(False, "too short"), (True, "longer")]
    with recorded() as events:
        llm = ScriptedLLM("Final Answer: short", "Final Answer: longer")
        worker = LiteAgent(
            role="writer",
            goal="g",
            backstory="b",
            llm=llm,
            guardrail=lambda _output: verdicts.pop(0),
        )
        assert worker.kickoff("Say it").raw == "longer"
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT writer
            INPUT
            MODEL
            POLICY <lambda> deny
            RETRY guardrail 1/3
            MODEL
            POLICY <lambda> allow
            OUTPUT
        """
    )


def test_an_agent_that_waits_for_its_next_minute_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from crewai.utilities import rpm_controller

    from tests.frameworks.crewai.test_tools import add

    clock = SimpleNamespace(sleep=lambda _seconds: None)
    monkeypatch.setattr(rpm_controller, "time", clock)
    with recorded() as events:
        worker = agent([call("add", {"a": 1, "b": 2})], "three", tools=[add], max_rpm=1)
        crew(task(worker)).kickoff()
    (wait,) = [
        each
        for each in named(events(), "SYSTEM")
        if each["metadata"]["name"] == "crewai.rpm_wait"
    ]
    starts = {each["agent_name"]: each for each in named(events(), "AGENT_START")}
    assert wait["parent_span_id"] == starts["writer"]["span_id"]
    assert "RETRY" not in tree_of(events())


def test_a_model_alone_stands_under_the_session() -> None:
    with recorded() as events:
        assert ScriptedLLM("blue").call("which colour?") == "blue"
    assert tree_of(events()) == "SESSION\n  MODEL"


def test_the_last_turn_of_an_agent_is_forced_and_recorded() -> None:
    from tests.frameworks.crewai.test_tools import add

    with recorded() as events:
        worker = agent(
            [call("add", {"a": 1, "b": 2})],
            [call("add", {"a": 2, "b": 2}, "c2")],
            "three",
            tools=[add],
            max_iter=2,
        )
        crew(task(worker)).kickoff()
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT crew
            INPUT
            AGENT writer
              MODEL
              TOOL add
              MODEL
              TOOL add
              MODEL
            OUTPUT
        """
    )


def test_a_hook_that_aborts_a_run_is_a_decision_and_an_error() -> None:
    from crewai.hooks.dispatch import HookAborted, InterceptionPoint, on

    @on(InterceptionPoint.INPUT)
    def no(_context: Any) -> None:
        raise HookAborted("not today", source="policy desk")

    with recorded() as events, pytest.raises(HookAborted):
        crew(task(agent("It is blue"))).kickoff()
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT crew FAILED
            INPUT
            POLICY hook:input deny
            ERROR HookAborted
        """
    )


def test_what_a_conditional_task_leaves_out_leaves_nothing() -> None:
    from crewai.tasks.conditional_task import ConditionalTask

    with recorded() as events:
        worker = agent("It is blue")
        second = ConditionalTask(
            description="More",
            expected_output="more",
            agent=worker,
            condition=lambda _output: False,
        )
        crew(task(worker), second).kickoff()
    assert tree_of(events()).count("AGENT writer") == 1


def test_an_answer_that_is_no_json_is_converted_inside_the_agent() -> None:
    from pydantic import BaseModel

    class Colour(BaseModel):
        name: str

    with recorded() as events:
        worker = agent("blue, I think", '{"name": "blue"}')
        done = crew(task(worker, output_pydantic=Colour)).kickoff()
    assert done.pydantic == Colour(name="blue")
    assert tree_of(events()) == tree(
        """
        SESSION
          AGENT crew
            INPUT
            AGENT writer
              MODEL x2
            OUTPUT
        """
    )
    assert only(events(), "OUTPUT_EMITTED")["message"]["text"] == '{"name":"blue"}'
