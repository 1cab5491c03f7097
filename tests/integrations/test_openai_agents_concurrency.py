"""
Many runs at once: nothing of one run ever appears in another.

Tenants share a process; a crossed parent or session would show one customer's run to
another.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import Any

from agents import Agent, RunConfig, Runner, function_tool

import chaukas.sdk
from loopback import Call as CallOf
from loopback import ModelServer, Request, Text, ToolCalls
from tests.support import scenarios
from tests.support.agent_runs import Mode, calls, record, run_in, say
from tests.support.scenarios import assistant
from tests.support.served import responses
from tests.support.trees import check, named, spans_of, tree, tree_of

_RUNS = 200
_SESSIONS = 20
_TENANTS = 4


@function_tool
async def echo(word: str) -> str:
    """Return the word, after other tasks had their turn."""
    await asyncio.sleep(0)
    return word


def _agent_for(number: int) -> Agent[Any]:
    word = f"word-{number}"
    inner = assistant(say(word), name=f"Inner {number}")
    tool = inner.as_tool("ask", "Asks.")
    steps = calls(("echo", {"word": word}), ("ask", {"input": word})), say(word)
    return assistant(*steps, name=f"Agent {number}", tools=[echo, tool])


async def _one(number: int) -> str:
    tenant = f"tenant-{number % _TENANTS}"
    session = f"session-{number % _SESSIONS}"
    mode = Mode.STREAMED if number % 2 else Mode.RUN
    async with chaukas.sdk.session(session, tenant_id=tenant, project_id="p"):
        await asyncio.sleep(0)
        result = await run_in(mode, _agent_for(number), f"word-{number}")
    return str(result.final_output)


def _number_in(event: dict[str, Any]) -> int:
    return int(event["agent_name"].rpartition(" ")[2])


def test_two_hundred_concurrent_runs_never_mix() -> None:
    async def story() -> list[str]:
        return await asyncio.gather(*(_one(number) for number in range(_RUNS)))

    recorded = record(story)
    assert recorded.value == [f"word-{number}" for number in range(_RUNS)]
    spans = check(recorded.events)
    counted = Counter(span.kind for span in spans)
    del counted["SESSION"]
    assert counted == {
        "AGENT": 2 * _RUNS,
        "INPUT": _RUNS,
        "MODEL": 3 * _RUNS,
        "TOOL": 2 * _RUNS,
        "OUTPUT": _RUNS,
    }
    by_id = {span.start["span_id"]: span for span in spans}
    traces: dict[str, int] = {}
    for span in spans:
        if span.kind == "SESSION":
            continue
        number = _number_in(span.start)
        assert span.start["session_id"] == f"session-{number % _SESSIONS}"
        assert span.start["tenant_id"] == f"tenant-{number % _TENANTS}"
        assert traces.setdefault(span.start["trace_id"], number) == number
        parent = by_id[span.start["parent_span_id"]]
        assert parent.kind == "SESSION" or _number_in(parent.start) == number
        if span.kind == "TOOL":
            assert f"word-{number}" in str(span.content)
    assert len(traces) == _RUNS


def test_concurrent_runs_of_one_session_share_its_pair() -> None:
    async def story() -> None:
        async with chaukas.sdk.session("chat-1", tenant_id="acme"):
            await asyncio.gather(
                *(run_in(Mode.RUN, assistant(say("Hi"))) for _ in range(10))
            )

    events = record(story).events
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT Assistant x10
            INPUT
            MODEL
            OUTPUT
        """
    )


def test_one_session_id_under_two_tenants_is_two_sessions() -> None:
    async def for_tenant(tenant: str) -> None:
        async with chaukas.sdk.session("chat-1", tenant_id=tenant):
            await run_in(Mode.RUN, assistant(say("Hi"), name=tenant))

    async def story() -> None:
        await asyncio.gather(for_tenant("acme"), for_tenant("blue"))

    events = record(story).events
    tree_of(events)
    sessions = named(events, "SESSION_START")
    assert {event["tenant_id"] for event in sessions} == {"acme", "blue"}
    for event in named(events, "AGENT_START"):
        assert event["tenant_id"] == event["agent_name"]


def test_two_runs_at_once_are_two_traces() -> None:
    async def story() -> None:
        await asyncio.gather(
            run_in(Mode.RUN, assistant(say("a"))),
            run_in(Mode.STREAMED, assistant(say("b"))),
        )

    events = record(story).events
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT Assistant x2
            INPUT
            MODEL
            OUTPUT
        """
    )
    assert len({event["trace_id"] for event in named(events, "AGENT_START")}) == 2


def test_runs_in_threads_with_loops_of_their_own_never_mix() -> None:
    def work(number: int) -> None:
        for _ in range(5):
            asyncio.run(_one(number))

    def story() -> None:
        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

    spans = check(record(story).events)
    assert sum(span.kind == "AGENT" for span in spans) == 2 * 5 * 8
    for span in spans:
        if span.kind != "SESSION":
            number = _number_in(span.start)
            assert span.start["session_id"] == f"session-{number % _SESSIONS}"


def test_runs_over_one_http_client_keep_their_own_answers() -> None:
    def reply(request: Request) -> Any:
        word = request.user_text
        if request.tool_outputs:
            return Text(f"{word} done")
        return ToolCalls(CallOf("echo", {"word": word}))

    async def story() -> None:
        with ModelServer(reply) as server:
            async with server.client() as client:
                model = responses(client)
                agents = [
                    Agent(name=f"Agent {number}", model=model, tools=[echo])
                    for number in range(20)
                ]
                await asyncio.gather(
                    *(
                        run_in(
                            Mode.STREAMED if number % 2 else Mode.RUN,
                            agent,
                            f"word-{number}",
                        )
                        for number, agent in enumerate(agents)
                    )
                )

    events = record(story).events
    check(events)
    for event in named(events, "OUTPUT_EMITTED"):
        assert event["message"]["text"] == f"word-{_number_in(event)} done"
    for event in named(events, "TOOL_CALL_START"):
        assert event["tool_call"]["arguments"] == {"word": f"word-{_number_in(event)}"}


def test_a_trace_id_of_the_application_is_kept() -> None:
    config = RunConfig(trace_id="trace_of_my_own", group_id="chat-7")
    events = record(
        lambda: scenarios.parallel_tools(Mode.RUN, run_config=config)
    ).events
    tree_of(events)
    told = [event for event in events if event["type"] != "EVENT_TYPE_SYSTEM"]
    assert {event["trace_id"] for event in told} == {"trace_of_my_own"}
    assert {event["session_id"] for event in told} == {"chat-7"}


def test_an_agent_that_serves_many_runs_at_once_keeps_them_apart() -> None:
    """One agent object, as most applications have it."""

    async def answer_later(call: Any) -> Any:
        await asyncio.sleep(0)
        return say(str(call.input))

    agent = assistant(*({"responder": answer_later} for _ in range(50)))

    async def story() -> None:
        await asyncio.gather(*(Runner.run(agent, f"word-{n}") for n in range(50)))

    spans = spans_of(record(story).events)
    texts: dict[str, set[str]] = {}
    for span in spans:
        if span.kind in {"INPUT", "OUTPUT"}:
            trace = texts.setdefault(span.start["trace_id"], set())
            trace.add(span.start["message"]["text"])
    assert len(texts) == 50
    for found in texts.values():
        given = min(found, key=len)
        assert all(text == given or f"'{given}'" in text for text in found)
