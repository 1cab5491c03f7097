"""Crews at once, and crews that nobody waits for: all end, and none is mixed up."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from chaukas import sdk as chaukas
from tests.frameworks.crewai.scripted import agent, call, crew, recorded, task
from tests.frameworks.crewai.test_tools import add
from tests.support.trees import check, named, tree, tree_of

ROOT = Path(__file__).resolve().parents[3]
COUNT = 20
EACH = tree(
    """
    SESSION
      AGENT crew
        INPUT
        AGENT first
          MODEL
          TOOL add x2
          MODEL
        AGENT second
          MODEL
        OUTPUT
    """
)


def of_number(number: int, meet: threading.Barrier) -> Any:
    """Return a crew whose texts have *number*; all of them are in a model at once."""

    def calls() -> Any:
        meet.wait()
        return [
            call("add", {"a": number, "b": 1}, f"c{number}a"),
            call("add", {"a": number, "b": 2}, f"c{number}b"),
        ]

    first = agent(calls, f"sum {number}", role="first", tools=[add])
    second = agent(f"answer {number}", role="second")
    return crew(
        task(first, f"task {number}", async_execution=True),
        task(second, f"last {number}"),
    )


def check_all(events: list[Any]) -> None:
    """Check that each tenant has the events of its own number, and the whole tree."""
    check(events)
    for number in range(COUNT):
        own = [each for each in events if each.get("tenant_id") == f"tenant-{number}"]
        assert {each["session_id"] for each in own} == {f"chat-{number}"}
        assert sorted(tree_of(own).splitlines()) == sorted(EACH.splitlines())
        runs = {each["trace_id"] for each in own if "SESSION" not in each["type"]}
        assert len(runs) == 1
        (output,) = named(own, "OUTPUT_EMITTED")
        assert output["message"]["text"] == f"answer {number}"
        arguments = [e["tool_call"]["arguments"] for e in named(own, "TOOL_CALL_START")]
        assert {each["a"] for each in arguments} == {number}
        names = {e["span_id"]: e["agent_name"] for e in named(own, "AGENT_START")}
        tools = named(own, "TOOL_CALL_START")
        assert {names[each["parent_span_id"]] for each in tools} == {"first"}


def test_twenty_crews_in_threads_with_a_tenant_each_do_not_mix() -> None:
    meet = threading.Barrier(COUNT, timeout=60)

    def one(number: int) -> None:
        with chaukas.session(f"chat-{number}", tenant_id=f"tenant-{number}"):
            of_number(number, meet).kickoff()

    with recorded() as events, ThreadPoolExecutor(COUNT) as pool:
        list(pool.map(one, range(COUNT)))
    check_all(events())


@pytest.mark.parametrize("kind", ["kickoff_async", "akickoff"])
def test_twenty_crews_in_tasks_with_a_tenant_each_do_not_mix(kind: str) -> None:
    meet = threading.Barrier(COUNT, timeout=60)

    async def one(number: int) -> None:
        async with chaukas.session(f"chat-{number}", tenant_id=f"tenant-{number}"):
            await getattr(of_number(number, meet), kind)()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        # Enough of them for all to be in a model at once.
        loop.set_default_executor(ThreadPoolExecutor(3 * COUNT))
        await asyncio.gather(*map(one, range(COUNT)))

    with recorded() as events:
        asyncio.run(main())
    check_all(events())


def test_crews_that_are_cancelled_end_beside_those_that_go_on() -> None:
    begun, release = threading.Semaphore(0), threading.Event()

    def slow() -> str:
        begun.release()
        release.wait(60)
        return "late"

    async def main() -> list[Any]:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(COUNT))
        crews = [crew(task(agent(slow, role=f"w{n}"))) for n in range(6)]
        tasks = [asyncio.create_task(each.akickoff()) for each in crews]
        for _ in tasks:
            await asyncio.to_thread(begun.acquire)
        for each in tasks[:3]:
            each.cancel()
        first = await asyncio.gather(*tasks[:3], return_exceptions=True)
        release.set()
        return [*first, *await asyncio.gather(*tasks[3:])]

    with recorded() as events:
        done = asyncio.run(main())
    assert [type(each) for each in done[:3]] == [asyncio.CancelledError] * 3
    assert [each.raw for each in done[3:]] == ["late"] * 3
    check(events())
    ends = [e for e in named(events(), "AGENT_END") if e["agent_name"] == "crew"]
    assert sorted(e["status"].rpartition("_")[2] for e in ends) == [
        *["CANCELLED"] * 3,
        *["COMPLETED"] * 3,
    ]
    assert named(events(), "ERROR") == []


ABANDONED = """
import threading
import chaukas
chaukas.enable_chaukas(output_file="events.jsonl")
from tests.frameworks.crewai.scripted import agent, crew, task
begun, over = threading.Event(), threading.Event()
def slow():
    begun.set()
    over.wait(60)
    return "late"
# Called before Python waits for the threads of executors.
import concurrent.futures.thread
threading._register_atexit(over.set)
task(agent(slow), async_execution=True).execute_async()
begun.wait(60)
"""


def test_what_still_works_when_the_program_ends_has_its_end(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), f"{ROOT}/examples"])}
    # How it exits is a matter of chance, with chaukas and without: a thread of CrewAI
    # may print while Python takes itself apart.
    subprocess.run(
        [sys.executable, "-c", ABANDONED],
        cwd=tmp_path,
        env=env,
        check=False,
        capture_output=True,
        timeout=60,
    )
    lines = (tmp_path / "events.jsonl").read_text("utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    check(events)
    # Python waits for CrewAI's threads, and lets them begin nothing new.
    shown = tree_of(events).splitlines()
    assert [line.split()[0] for line in shown[:4]] == [
        "SESSION",
        "AGENT",
        "INPUT",
        "MODEL",
    ]
