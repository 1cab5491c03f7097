"""
Spans of processes that die, that end in front of nothing, and that fill their disk.

What is asked is what a user asks: is the run there, and does it say how it ended.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from chaukas.sdk.config import load
from chaukas.sdk.maintenance import deliver
from loopback.otlp import Answer, SpanReceiver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loopback.otlp import ReceivedSpan

pytestmark = pytest.mark.fault

ROOT = Path(__file__).parents[2]
PROGRAM = dedent(
    """
    import asyncio, os, sys, time
    from agents import Agent, Runner, function_tool
    from agents.testing import ScriptedModel, assistant_message, function_call
    import chaukas

    @function_tool
    def act() -> str:
        how = sys.argv[3]
        if how == "killed":
            print("flushed", chaukas.flush(20.0), flush=True)
            os.kill(os.getpid(), 9)
        if how == "killed soon":
            while chaukas.stats().queued: time.sleep(0.001)
            os.kill(os.getpid(), 9)
        return "done"

    chaukas.enable_chaukas(
        output_mode="otlp", otlp_endpoint=sys.argv[1], spool_dir=sys.argv[2],
        strict=True, timeout=300,
        **({"spool_limit": 1 << 20} if sys.argv[3] == "flood" else {}),
    )
    if sys.argv[3] == "flood":
        for n in range(40):
            with chaukas.session(f"s{n}"):
                text = (f"word{n} " * 9_000)[:60_000]
                model = ScriptedModel([[assistant_message("ok")]])
                asyncio.run(Runner.run(Agent(name="flood", model=model), text))
            chaukas.flush(0.05)
        print(sum(chaukas.stats().dropped.values()))
        os._exit(0)
    steps = [[function_call("act", {}, call_id="call_1")], [assistant_message("ok")]]
    agent = Agent(name="actor", model=ScriptedModel(steps), tools=[act])
    asyncio.run(Runner.run(agent, "Go"))
    chaukas.disable_chaukas()
    """
)


@pytest.fixture
def receiver() -> Iterator[SpanReceiver]:
    with SpanReceiver() as running:
        yield running


def play(endpoint: str, folder: Path, how: str) -> subprocess.CompletedProcess[str]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("CHAUKAS_")}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, endpoint, str(folder / "spool"), how],
        cwd=folder,
        env={**environ, "PYTHONPATH": str(ROOT), "OPENAI_AGENTS_DISABLE_TRACING": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def settings_of(endpoint: str, folder: Path) -> dict[str, Any]:
    return {
        "output_mode": "otlp",
        "otlp_endpoint": endpoint,
        "spool_dir": folder / "spool",
    }


def deliver_rest(endpoint: str, folder: Path) -> None:
    config = load(settings_of(endpoint, folder), None, {}).config
    assert not deliver(config, 60.0).unread
    assert not list((folder / "spool").glob("0*"))


def by_name(receiver: SpanReceiver) -> dict[str, ReceivedSpan]:
    return {span.name.split(" ")[0]: span for span in receiver.spans}


@pytest.mark.parametrize("how", ["killed", "killed soon"])
def test_the_spans_of_a_killed_process_arrive_and_say_so(
    how: str, receiver: SpanReceiver, tmp_path: Path
) -> None:
    done = play(receiver.endpoint, tmp_path, how)
    assert done.returncode == -signal.SIGKILL, done.stderr
    if how == "killed":
        # The START of each was acknowledged, and is in no segment any more.
        assert done.stdout == "flushed True\n"
        assert by_name(receiver).keys() == {"chat"}
    deliver_rest(receiver.endpoint, tmp_path)
    spans = by_name(receiver)
    assert spans.keys() == {"chat", "invoke_agent", "execute_tool"}
    assert len(receiver.spans) == 3
    for name in ("invoke_agent", "execute_tool"):
        span = spans[name]
        assert (span.status, span.status_message) == (2, "process ended")
        assert span.attributes["chaukas.incomplete"] is True
        assert span.attributes["error.type"] == "_OTHER"
        assert span.end_ns > span.start_ns
    assert spans["execute_tool"].parent_span_id == spans["invoke_agent"].span_id
    assert spans["execute_tool"].attributes["gen_ai.tool.call.arguments"] == "{}"
    assert spans["invoke_agent"].attributes["input.value"] == "Go"
    assert spans["chat"].status == 0


def test_what_nobody_took_is_sent_by_the_next_process(
    receiver: SpanReceiver, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    done = play(f"http://127.0.0.1:{port}", tmp_path, "ended")
    assert done.returncode == 0, done.stderr
    with SpanReceiver(port) as late:
        deliver_rest(f"http://127.0.0.1:{port}", tmp_path)
        assert len(late.spans) == 4
        assert not any("chaukas.incomplete" in one.attributes for one in late.spans)


def test_the_rest_of_a_dead_process_waits_for_a_receiver_that_is_away(
    receiver: SpanReceiver, tmp_path: Path
) -> None:
    play(receiver.endpoint, tmp_path, "killed")
    receiver.answers += [Answer(503), Answer(503)]
    deliver_rest(receiver.endpoint, tmp_path)
    assert by_name(receiver).keys() == {"chat", "invoke_agent", "execute_tool"}


def test_a_span_of_the_rest_that_is_refused_costs_no_other(
    receiver: SpanReceiver, tmp_path: Path
) -> None:
    play(receiver.endpoint, tmp_path, "killed")
    receiver.rule = lambda spans: (
        Answer(400) if any(s.name.startswith("execute_tool") for s in spans) else None
    )
    deliver_rest(receiver.endpoint, tmp_path)
    assert by_name(receiver).keys() == {"chat", "invoke_agent"}


def test_a_program_ends_in_time_in_front_of_a_black_hole(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hole:
        endpoint = f"http://127.0.0.1:{hole.getsockname()[1]}"
        done = play(endpoint, tmp_path, "ended")
    # Whoever waits for an answer waits longer than `play` does.
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "spool").glob("0*"))


def test_a_full_spool_costs_events_that_are_counted_and_no_program(
    tmp_path: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    done = play(f"http://127.0.0.1:{port}", tmp_path, "flood")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0
    with SpanReceiver(port) as late:
        deliver_rest(f"http://127.0.0.1:{port}", tmp_path)
        ids = [span.span_id for span in late.spans]
    assert len(set(ids)) == len(ids)
    assert any("chaukas.incomplete" not in span.attributes for span in late.spans)
