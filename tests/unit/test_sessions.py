"""Sessions: opened by their first run, ended exactly once."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from agents import Agent, RunConfig, Runner
from agents.testing import ScriptedModel, assistant_message

import chaukas.sdk as chaukas
from chaukas.sdk import _runtime
from chaukas.sdk.record.context import SCOPE
from chaukas.sdk.testing import FakeClock, SequentialIds, capture_events

if TYPE_CHECKING:
    from collections.abc import Callable

START, END = "EVENT_TYPE_SESSION_START", "EVENT_TYPE_SESSION_END"


def agent(*texts: str, name: str = "A") -> Agent[Any]:
    steps = [[assistant_message(text)] for text in texts or ("ok",)]
    return Agent(name=name, model=ScriptedModel(steps))


def run(**options: Any) -> None:
    asyncio.run(Runner.run(agent(), "hi", **options))


def openings(events: list[dict[str, Any]], kind: str = START) -> list[tuple[str, str]]:
    return [
        (event["tenant_id"], event["session_id"])
        for event in events
        if event["type"] == kind
    ]


def reasons(events: list[dict[str, Any]]) -> list[str]:
    return [
        event["session_end"]["metadata"]["reason"]
        for event in events
        if event["type"] == END
    ]


def test_nothing_opens_a_session_but_a_run() -> None:
    with capture_events() as events, chaukas.session("s"):
        pass
    assert openings(events()) == []


def test_runs_without_a_name_share_the_default_session() -> None:
    with capture_events(session_id="mine") as events:
        run()
        run()
    assert openings(events()) == [("default", "mine")]
    assert openings(events(), END) == [("default", "mine")]
    assert reasons(events()) == ["disabled"]


def test_a_process_without_a_name_for_it_has_one_default_session() -> None:
    with capture_events() as events:
        run()
        run()
    assert len(openings(events())) == 1
    assert len(openings(events())[0][1]) == 36


def test_a_block_ends_its_session() -> None:
    with capture_events() as events:
        with chaukas.session("s", name="Chat", metadata={"user": "u1"}):
            run()
            run()
            assert openings(events(), END) == []
        assert openings(events(), END) == [("default", "s")]
    assert len(openings(events())) == 1
    start = next(event for event in events() if event["type"] == START)
    assert start["session_start"]["session_name"] == "Chat"
    assert start["session_start"]["metadata"]["user"] == "u1"
    assert reasons(events()) == ["closed"]


def test_blocks_for_one_session_end_it_together() -> None:
    with capture_events() as events, chaukas.session("s"):
        run()
        with chaukas.session("s"):
            run()
        assert openings(events(), END) == []
        run()
    assert openings(events()) == [("default", "s")]
    assert openings(events(), END) == [("default", "s")]


def test_a_session_reopens_after_its_block() -> None:
    with capture_events() as events:
        for _ in range(2):
            with chaukas.session("s"):
                run()
    assert openings(events()) == [("default", "s")] * 2
    assert openings(events(), END) == [("default", "s")] * 2


def test_a_block_wins_over_what_the_run_names() -> None:
    with capture_events() as events, chaukas.session("block"):
        run(run_config=RunConfig(group_id="group"))
    assert openings(events()) == [("default", "block")]


def test_a_run_may_name_its_session() -> None:
    with capture_events() as events:
        run(run_config=RunConfig(group_id="group"))
    assert openings(events()) == [("default", "group")]


def test_one_id_under_two_tenants_is_two_sessions() -> None:
    with capture_events() as events, chaukas.session("s", tenant_id="one"):
        run()
        with chaukas.session("s", tenant_id="two", project_id="p"):
            run()
        assert openings(events(), END) == [("two", "s")]
        run()
    assert openings(events()) == [("one", "s"), ("two", "s")]
    assert openings(events(), END) == [("two", "s"), ("one", "s")]
    for event in events():
        if event["tenant_id"] == "two":
            assert event["project_id"] == "p"


def test_an_inner_block_inherits_tenant_and_project() -> None:
    with (
        capture_events() as events,
        chaukas.session("a", tenant_id="t", project_id="p"),
        chaukas.session("b"),
    ):
        run()
    told = {(e["tenant_id"], e["project_id"]) for e in events() if e["type"] == START}
    assert told == {("t", "p")}


def test_end_session_ends_the_one_in_force() -> None:
    with capture_events() as events, chaukas.session("s"):
        run()
        assert chaukas.end_session()
        assert not chaukas.end_session()
        run()
    assert reasons(events()) == ["ended", "closed"]
    assert openings(events()) == [("default", "s")] * 2


def test_end_session_by_id_touches_no_other_tenant() -> None:
    with capture_events() as events, chaukas.session("s", tenant_id="t"):
        run()
        with chaukas.session("other", tenant_id="t2"):
            assert not chaukas.end_session("s")
            assert chaukas.end_session("s", tenant_id="t")
        assert openings(events(), END) == [("t", "s")]


def test_end_session_inside_a_run_waits_for_its_end() -> None:
    from agents import function_tool
    from agents.testing import function_call

    ended: list[bool] = []

    @function_tool
    def leave() -> str:
        """End the conversation."""
        ended.append(chaukas.end_session())
        return "bye"

    steps = [[function_call("leave", {}, call_id="c")], [assistant_message("bye")]]
    leaving = Agent(name="A", model=ScriptedModel(steps), tools=[leave])
    with capture_events() as events:
        asyncio.run(Runner.run(leaving, "x", run_config=RunConfig(group_id="g")))
        kinds = [event["type"] for event in events()]
        assert ended == [True]
        assert kinds.index(END) > kinds.index("EVENT_TYPE_AGENT_END")
        run(run_config=RunConfig(group_id="g"))
    assert openings(events()) == [("default", "g")] * 2
    assert reasons(events()) == ["ended", "disabled"]


def test_a_block_left_while_its_stream_goes_on_ends_after_the_stream() -> None:
    async def main() -> None:
        with chaukas.session("s"):
            result = Runner.run_streamed(agent(), "hi")
        async for _ in result.stream_events():
            pass

    with capture_events() as events:
        asyncio.run(main())
        kinds = [event["type"] for event in events()]
        assert kinds.index(END) > kinds.index("EVENT_TYPE_AGENT_END")
    assert len(openings(events(), END)) == 1


def test_a_session_without_runs_ends_after_the_idle_time() -> None:
    clock = FakeClock()
    with capture_events(clock=clock, session_idle_timeout=60) as events:
        run(run_config=RunConfig(group_id="old"))
        clock.skip(59)
        sessions = active().sessions
        assert sessions.end_idle() == 0
        run(run_config=RunConfig(group_id="new"))
        clock.skip(2)
        assert sessions.end_idle() == 1
        assert reasons(events()) == ["idle"]
        assert openings(events(), END) == [("default", "old")]


def test_a_session_that_a_block_holds_is_never_idle() -> None:
    clock = FakeClock()
    with capture_events(clock=clock) as events:
        with chaukas.session("s"):
            run()
            clock.skip(1_000_000)
            assert active().sessions.end_idle() == 0
        assert reasons(events()) == ["closed"]


def test_a_session_with_a_long_run_is_never_idle() -> None:
    clock = FakeClock()
    counts: list[int] = []

    async def slow(_context: Any, _agent: Any) -> str:
        clock.skip(1_000_000)
        counts.append(active().sessions.end_idle())
        return "Be brief."

    asking = Agent(
        name="A",
        instructions=slow,
        model=ScriptedModel([[assistant_message("ok")]]),
    )
    with capture_events(clock=clock):
        asyncio.run(Runner.run(asking, "hi"))
    assert counts == [0]


def test_the_idlest_session_makes_room() -> None:
    with capture_events(max_open_sessions=3) as events:
        for name in "abcad":
            run(run_config=RunConfig(group_id=name))
        assert openings(events(), END) == [("default", "b")]
        assert active().sessions.open_count == 3
    assert reasons(events()) == ["evicted", *["disabled"] * 3]
    assert Counter(openings(events())) == Counter(openings(events(), END))


def test_busy_sessions_are_not_evicted() -> None:
    async def main() -> None:
        gate = asyncio.Event()

        async def wait(_context: Any, _agent: Any) -> str:
            await gate.wait()
            return "Be brief."

        async def one(name: str) -> None:
            model = ScriptedModel([[assistant_message("ok")]])
            waiting = Agent(name="A", instructions=wait, model=model)
            await Runner.run(waiting, "hi", run_config=RunConfig(group_id=name))

        tasks = [asyncio.create_task(one(name)) for name in "abc"]
        while active().sessions.open_count < 3:
            assert not any(task.done() for task in tasks)
            await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(*tasks)

    with capture_events(max_open_sessions=1) as events:
        asyncio.run(main())
        assert openings(events(), END) == []
    assert sorted(openings(events())) == [("default", name) for name in "abc"]


def test_a_session_carries_the_trace_of_its_first_run() -> None:
    with capture_events() as events, chaukas.session("s"):
        run()
        run()
    starts = [e for e in events() if e["type"] == "EVENT_TYPE_AGENT_START"]
    pair = [e for e in events() if e["type"] in (START, END)]
    assert len({e["trace_id"] for e in starts}) == 2
    assert {e["trace_id"] for e in pair} == {starts[0]["trace_id"]}
    assert {e["parent_span_id"] for e in starts} == {pair[0]["span_id"]}


def test_threads_that_open_and_end_one_session_leave_only_pairs() -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(10):
                with chaukas.session(f"s{turn % 3}", tenant_id=f"t{number % 2}"):
                    run()
        except BaseException as error:
            failures.append(error)

    with capture_events() as events:
        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failures
    spans = Counter(e["span_id"] for e in events() if e["type"] in (START, END))
    assert spans
    assert set(spans.values()) == {2}
    opened = {e["span_id"]: e["tenant_id"] for e in events() if e["type"] == START}
    runs = [e for e in events() if e["type"] == "EVENT_TYPE_AGENT_START"]
    assert len(runs) == 80
    assert all(opened[e["parent_span_id"]] == e["tenant_id"] for e in runs)


def test_one_session_object_serves_concurrent_tasks() -> None:
    shared = chaukas.session("s")

    async def one(first_out: asyncio.Event, *, wait: bool) -> None:
        async with shared:
            await asyncio.sleep(0)
            if wait:
                await first_out.wait()
            await Runner.run(agent(), "hi")
        first_out.set()
        assert SCOPE.get() is None

    async def main() -> None:
        first_out = asyncio.Event()
        await asyncio.gather(one(first_out, wait=True), one(first_out, wait=False))

    with capture_events() as events:
        asyncio.run(main())
        assert openings(events()) == [("default", "s")]
        assert openings(events(), END) == [("default", "s")]


def test_a_block_left_in_another_context_ends_its_session() -> None:
    import contextvars

    block = chaukas.session("s")
    with capture_events() as events:
        contextvars.copy_context().run(block.__enter__)
        block.__exit__(None, None, None)
        assert active().sessions.end_idle() == 0
    assert openings(events()) == []
    assert SCOPE.get() is None


def test_a_block_entered_before_another_enabling_is_harmless() -> None:
    import contextvars

    block = chaukas.session("s")
    with capture_events():
        contextvars.copy_context().run(block.__enter__)
    with capture_events() as events:
        with chaukas.session("s"):
            run()
            block.__exit__(None, None, None)
            assert openings(events(), END) == []
        assert openings(events(), END) == [("default", "s")]


def test_a_block_without_chaukas_does_nothing() -> None:
    with chaukas.session("s") as block:
        assert block.session_id == ""
    assert SCOPE.get() is None


def test_the_error_of_a_block_passes() -> None:
    with pytest.raises(KeyError), capture_events(), chaukas.session("s"):
        raise KeyError


def test_a_block_tells_its_id() -> None:
    with capture_events(ids=SequentialIds()), chaukas.session() as block:
        assert block.session_id.startswith("00000000-0000-7000-8000-")
        with chaukas.session("inner") as inner:
            assert inner.session_id == "inner"


class _Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (42, "42"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (_Text("sub"), "sub"),
        ("\ud800", "\\ud800"),
        ("é" * 256, "é" * 256),
    ],
)
def test_ids_of_other_kinds_become_text(given: Any, told: str) -> None:
    with capture_events() as events, chaukas.session(given):
        run()
    assert openings(events()) == [("default", told)]


def test_long_ids_are_cut_and_stay_apart() -> None:
    with capture_events() as events:
        for end in "ab":
            with chaukas.session("x" * 1000 + end):
                run()
    ids = [session_id for _, session_id in openings(events())]
    assert len(set(ids)) == 2
    assert {len(session_id) for session_id in ids} == {256}


def test_an_id_that_is_no_text_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    with capture_events() as events, chaukas.session(object()):  # type: ignore[arg-type]
        run()
    assert len(openings(events())) == 1
    assert "session() got an id or name of type object" in caplog.text


def test_a_session_id_with_a_lone_surrogate_is_recorded_escaped() -> None:
    with capture_events() as events:
        run(run_config=RunConfig(group_id="g\udc80"))
        assert not chaukas.stats().dropped
    assert openings(events()) == [("default", "g\\udc80")]


def test_runs_that_are_not_sampled_open_no_session() -> None:
    with capture_events(sample_rate=0) as events, chaukas.session("s"):
        run()
        chaukas.event("mine")
    assert {e["type"] for e in events()} == {"EVENT_TYPE_SYSTEM"}
    assert all(e["metadata"]["name"] != "mine" for e in events())


def active() -> _runtime.Runtime:
    runtime = _runtime.active()
    assert runtime is not None
    return runtime


def test_end_session_without_chaukas_ends_nothing() -> None:
    ends: Callable[..., bool] = chaukas.end_session
    assert not ends("s")
