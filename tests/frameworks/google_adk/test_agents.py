"""Agents of ADK, alone and together: the whole tree of what is recorded."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from google.adk.agents import BaseAgent, LoopAgent, ParallelAgent, SequentialAgent
from google.adk.agents.run_config import RunConfig, StreamingMode
from google.adk.tools import exit_loop
from google.adk.tools.agent_tool import AgentTool
from google.genai import types

from tests.frameworks.google_adk.support import (
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

ONE_TURN = tree(
    """
    SESSION
      AGENT root
        INPUT
        MODEL
        OUTPUT
    """
)
TRANSFER = ("transfer_to_agent", {"agent_name": "sub"})
ADD = ("add", {"a": 1, "b": 2})


def test_one_turn_of_one_agent() -> None:
    assert shape(ask(runner_of(agent("hello")))) == ONE_TURN


def test_a_runner_of_a_thread_of_its_own_is_the_same_run() -> None:
    runner = runner_of(agent("hello"))
    session = asyncio.run(new_session(runner))
    with recorded() as events:
        list(runner.run(user_id="u", session_id=session, new_message=said("hi")))
    assert tree_of(events()) == ONE_TURN


def test_run_debug_is_the_same_run() -> None:
    runner = runner_of(agent("hello"))
    if not hasattr(runner, "run_debug"):
        pytest.skip("it came with 1.18")
    with recorded() as events:
        asyncio.run(runner.run_debug("hi", quiet=True))
    assert tree_of(events()) == ONE_TURN


def test_a_streamed_answer_is_one_output_with_its_chunks_counted() -> None:
    config = RunConfig(streaming_mode=StreamingMode.SSE)
    events = play(ask(runner_of(agent("a b c")), run_config=config))
    assert tree_of(events) == ONE_TURN
    end = only(events, "MODEL_INVOCATION_END")["llm_invocation"]
    assert end["chunk_count"] == 3
    assert end["time_to_first_token_ms"] > 0
    assert only(events, "OUTPUT_EMITTED")["message"]["text"] == "a b c"


def test_an_agent_that_transfers_ends_before_the_next_one_starts() -> None:
    root = agent([TRANSFER], sub_agents=[agent("from sub", name="sub")])
    events = play(ask(runner_of(root)))
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
            TOOL transfer_to_agent
            HANDOFF root -> sub
          AGENT sub
            MODEL
            OUTPUT
        """
    )
    handoff = only(events, "AGENT_HANDOFF")["agent_handoff"]
    assert handoff["handoff_type"] == "transfer"
    ends = named(events, "AGENT_END")
    assert [end["agent_name"] for end in ends] == ["root", "sub"]
    assert ends[0]["metadata"]["handoff_to"] == "sub"
    assert "run" not in ends[0]["metadata"]
    assert ends[1]["metadata"]["run"]["agents"] == 2
    assert ends[1]["metadata"]["run"]["model_calls"] == 2
    assert len({e["metadata"]["run_id"] for e in named(events, "AGENT_START")}) == 1


def test_the_next_message_goes_to_the_agent_that_was_transferred_to() -> None:
    async def program() -> None:
        root = agent([TRANSFER], sub_agents=[agent("one", "two", name="sub")])
        runner = runner_of(root)
        session = await new_session(runner)
        await ask(runner, "hi", session)
        await ask(runner, "again", session)

    assert shape(program()) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
            TOOL transfer_to_agent
            HANDOFF root -> sub
          AGENT sub
            MODEL
            OUTPUT
          DATA_ACCESS InMemorySessionService
          AGENT sub
            INPUT
            MODEL
            OUTPUT
        """
    )


def test_a_transfer_there_and_back() -> None:
    back = ("transfer_to_agent", {"agent_name": "root"})
    root = agent([TRANSFER], "last word", sub_agents=[agent([back], name="sub")])
    assert shape(ask(runner_of(root))) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
            TOOL transfer_to_agent
            HANDOFF root -> sub
          AGENT sub
            MODEL
            TOOL transfer_to_agent
            HANDOFF sub -> root
          AGENT root
            MODEL
            OUTPUT
        """
    )


def test_an_agent_as_a_tool_stands_below_that_tool() -> None:
    expert = agent("expert says", name="expert")
    call = ("expert", {"request": "q"})
    root = agent([call], "done", tools=[AgentTool(expert)])
    assert shape(ask(runner_of(root))) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
            TOOL expert
              AGENT expert
                MODEL
            MODEL
            OUTPUT
        """
    )


def test_two_agents_as_tools_at_once() -> None:
    tools = [AgentTool(agent("x", name=name)) for name in ("e1", "e2")]
    calls = [(name, {"request": "q"}) for name in ("e1", "e2")]
    assert shape(ask(runner_of(agent(calls, "done", tools=tools)))) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
            TOOL e1
              AGENT e1
                MODEL
            TOOL e2
              AGENT e2
                MODEL
            MODEL
            OUTPUT
        """
    )


def test_an_agent_as_a_tool_that_fails_has_one_error() -> None:
    expert = agent(ValueError("bad"), name="expert")
    root = agent([("expert", {"request": "q"})], tools=[AgentTool(expert)])
    assert shape(ask(runner_of(root))) == tree(
        """
        SESSION
          AGENT root FAILED
            INPUT
            MODEL
            TOOL expert FAILED
              AGENT expert FAILED
                MODEL FAILED
                  ERROR ValueError
        """
    )


@pytest.mark.skipif(not hasattr(agent(), "mode"), reason="modes came with 2.0")
def test_an_agent_of_a_single_turn_is_a_tool_with_one_output_in_all() -> None:
    expert = agent("x", name="expert", mode="single_turn", description="d")
    root = agent([("expert", {"request": "q"})], "done", sub_agents=[expert])
    assert shape(ask(runner_of(root))) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
            TOOL expert
              AGENT expert
                MODEL
            MODEL
            OUTPUT
        """
    )


@pytest.mark.skipif(not hasattr(agent(), "mode"), reason="modes came with 2.0")
def test_an_agent_with_a_task_stands_below_its_delegation() -> None:
    tasker = agent(
        [("finish_task", {"result": "r"})], name="tasker", mode="task", description="d"
    )
    root = agent([("tasker", {"request": "q"})], "done", sub_agents=[tasker])
    assert shape(ask(runner_of(root))) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
            TOOL tasker
              AGENT tasker
                MODEL
                TOOL finish_task
            MODEL
            OUTPUT
        """
    )


@pytest.mark.skipif(not hasattr(agent(), "mode"), reason="modes came with 2.0")
def test_an_agent_with_a_task_may_ask_the_user_and_go_on() -> None:
    async def program() -> None:
        tasker = agent(
            "which one?",
            [("finish_task", {"result": "r"})],
            name="tasker",
            mode="task",
            description="d",
        )
        root = agent([("tasker", {"request": "q"})], "done", sub_agents=[tasker])
        runner = runner_of(root)
        session = await new_session(runner)
        await ask(runner, "hi", session)
        await ask(runner, "that one", session)

    events = play(program())
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root waiting
            INPUT
            MODEL
            TOOL tasker
              AGENT tasker
                MODEL
                OUTPUT
          DATA_ACCESS InMemorySessionService
          AGENT root
            INPUT
            TOOL tasker
              AGENT tasker
                MODEL
                TOOL finish_task
            MODEL
            OUTPUT
        """
    )
    roots = [e for e in named(events, "AGENT_START") if e["agent_name"] == "root"]
    # Since 2.5 the answer goes on with the invocation that asked.
    asked = {event["metadata"]["invocation_id"] for event in roots}
    assert len({event["trace_id"] for event in roots}) == len(asked)


def test_agents_in_sequence_have_an_output_each() -> None:
    first = agent("one", name="s1", output_key="k")
    seq = SequentialAgent(name="seq", sub_agents=[first, agent("two", name="s2")])
    events = play(ask(runner_of(seq)))
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT seq
            INPUT
            AGENT s1
              MODEL
              STATE_UPDATE append_event InMemorySessionService
              OUTPUT
            AGENT s2
              MODEL
              OUTPUT
        """
    )
    assert named(events, "AGENT_START")[0]["metadata"]["agent_type"] == "sequential"
    texts = [event["message"]["text"] for event in named(events, "OUTPUT_EMITTED")]
    assert texts == ["one", "two"]


def test_agents_in_parallel_name_themselves_in_every_event() -> None:
    subs = [agent([ADD], f"by {name}", name=name, tools=[add]) for name in ("p1", "p2")]
    events = play(ask(runner_of(ParallelAgent(name="par", sub_agents=subs))))
    below = """
              MODEL
              TOOL add
              MODEL
              OUTPUT"""
    assert tree_of(events) == tree(
        f"""
        SESSION
          AGENT par
            INPUT
            AGENT p1{below}
            AGENT p2{below}
        """
    )
    spans = {e["span_id"]: e["agent_name"] for e in named(events, "AGENT_START")}
    for event in events:
        parent = event.get("parent_span_id")
        if parent in spans and not event["type"].startswith("EVENT_TYPE_AGENT_"):
            assert event["agent_name"] == spans[parent]


def test_a_failing_agent_cancels_those_beside_it() -> None:
    async def never() -> Any:
        await asyncio.Event().wait()

    async def late() -> Any:
        for _ in range(5):
            await asyncio.sleep(0)
        raise ValueError("bad")

    subs = [agent(never, name="p1"), agent(late, name="p2")]
    assert shape(ask(runner_of(ParallelAgent(name="par", sub_agents=subs)))) == tree(
        """
        SESSION
          AGENT par FAILED
            INPUT
            AGENT p1 CANCELLED
              MODEL CANCELLED
            AGENT p2 FAILED
              MODEL FAILED
                ERROR ValueError
        """
    )


def test_a_loop_of_agents_ends_when_a_tool_says_so() -> None:
    inner = agent("again", [("exit_loop", {})], name="l1", tools=[exit_loop])
    loop = LoopAgent(name="loop", sub_agents=[inner], max_iterations=5)
    assert shape(ask(runner_of(loop))) == tree(
        """
        SESSION
          AGENT loop
            INPUT
            AGENT l1
              MODEL
              OUTPUT
            AGENT l1
              MODEL
              TOOL exit_loop
        """
    )


def test_a_transfer_inside_of_a_sequence() -> None:
    first = agent([TRANSFER], name="r", sub_agents=[agent("from sub", name="sub")])
    seq = SequentialAgent(name="seq", sub_agents=[first, agent("x", name="last")])
    assert shape(ask(runner_of(seq))) == tree(
        """
        SESSION
          AGENT seq
            INPUT
            AGENT r
              MODEL
              TOOL transfer_to_agent
              HANDOFF r -> sub
            AGENT sub
              MODEL
              OUTPUT
            AGENT last
              MODEL
              OUTPUT
        """
    )


class Orchestra(BaseAgent):
    """An agent of an application, which leaves its generators to Python."""

    async def _run_async_impl(self, ctx: Any) -> Any:
        for sub in self.sub_agents:
            async for event in sub.run_async(ctx):
                yield event


def orchestra() -> Orchestra:
    subs = [agent("one", name="a"), agent("two", name="b")]
    return Orchestra(name="orch", sub_agents=subs)


def test_an_agent_of_the_application_around_two_others() -> None:
    assert shape(ask(runner_of(orchestra()))) == tree(
        """
        SESSION
          AGENT orch
            INPUT
            AGENT a
              MODEL
              OUTPUT
            AGENT b
              MODEL
              OUTPUT
        """
    )


def test_agents_that_are_left_end_before_what_is_around_them() -> None:
    async def program() -> None:
        runner = runner_of(orchestra())
        session = await new_session(runner)
        asking = {"user_id": "u", "session_id": session, "new_message": said("hi")}
        async for _ in runner.run_async(**asking):
            break
        await asyncio.sleep(0)

    events = play(program())
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT orch
            INPUT
            AGENT a
              MODEL
              OUTPUT
        """
    )
    ends = [end["agent_name"] for end in named(events, "AGENT_END")]
    assert ends == ["a", "orch"]


def test_what_an_agent_is_made_of_is_told_once() -> None:
    root = agent(
        "hello",
        instruction="Be brief",
        description="The first",
        tools=[add],
        generate_content_config=types.GenerateContentConfig(temperature=0.5),
    )
    events = play(ask(runner_of(root)))
    facts = only(events, "AGENT_START")["metadata"]
    assert facts["instructions"] == "Be brief"
    assert facts["description"] == "The first"
    assert facts["model"] == "scripted-1"
    assert facts["tools"] == ["add"]
    assert (facts["app_name"], facts["user_id"]) == ("app1", "u")
    start = only(events, "MODEL_INVOCATION_START")["llm_invocation"]
    assert start["temperature"] == 0.5
    assert start["request"]["system"].startswith("Be brief")
    assert start["request"]["input"] == [{"role": "user", "parts": [{"text": "hi"}]}]
    end = only(events, "MODEL_INVOCATION_END")["llm_invocation"]
    assert end["response"]["text"] == "hello"
    assert (end["prompt_tokens"], end["completion_tokens"]) == (7, 3)
    assert only(events, "AGENT_END")["metadata"]["output"] == "hello"
