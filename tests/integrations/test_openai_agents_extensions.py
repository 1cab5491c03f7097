"""
What stands around the SDK's core: sandboxes, codex, the demo loop, pictures, WebSocket.

Each is recorded like everything else, or works on as if chaukas were not there.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from agents import Agent, RunConfig, Runner, run_demo_loop
from agents.run_config import SandboxRunConfig
from agents.sandbox import SandboxAgent
from agents.sandbox.capabilities import Filesystem, Memory, Shell
from agents.sandbox.config import MemoryGenerateConfig
from agents.sandbox.sandboxes.unix_local import UnixLocalSandboxClient
from agents.sandbox.types import ExecResult
from agents.testing import ScriptedModel, scripted_sandbox_session

from loopback import Call, Reply, Request, Text, ToolCalls
from loopback.request import RESPONSES_PATH
from loopback.responses import events_of
from loopback.turn import turn_of
from tests.support.agent_runs import Mode, calls, in_loop, record, run_in, say
from tests.support.scenarios import add, assistant
from tests.support.trees import named, only, tree, tree_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


_LISTED = ExecResult(stdout=b"a.txt\n", stderr=b"", exit_code=0)

# -- sandboxes --------------------------------------------------------------------


@in_loop
def test_a_sandbox_agent_is_recorded_with_its_commands(mode: Mode) -> None:
    async def story() -> Any:
        box = scripted_sandbox_session([{"method": "exec", "result": _LISTED}])
        steps = [calls(("exec_command", {"cmd": "ls"})), say("one file")]
        agent: Any = SandboxAgent(name="Box", model=ScriptedModel(steps))
        config = RunConfig(sandbox=SandboxRunConfig(session=box))
        return (await run_in(mode, agent, run_config=config)).final_output

    recorded = record(story)
    assert recorded.value == "one file"
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          AGENT Box
            INPUT
            MODEL
            TOOL exec_command
            MODEL
            OUTPUT
        """
    )
    started = only(recorded.events, "TOOL_CALL_START")["tool_call"]
    assert started["arguments"] == {"cmd": "ls"}
    ended = only(recorded.events, "TOOL_CALL_END")["tool_response"]
    assert "a.txt" in ended["output"]["output"]


def _remembering() -> Any:
    artifacts = {"rollout_summary": "s", "rollout_slug": "slug", "raw_memory": "m"}
    memory = MemoryGenerateConfig(
        phase_one_model=ScriptedModel([say(json.dumps(artifacts))]),
        phase_two_model=ScriptedModel([say("consolidated")]),
    )
    steps = [calls(("exec_command", {"cmd": "echo hi"})), say("a secret plan")]
    agent: Any = SandboxAgent(
        name="Box",
        model=ScriptedModel(steps),
        capabilities=[Shell(), Filesystem(), Memory(generate=memory)],
    )
    return agent


def _local(**options: Any) -> RunConfig:
    sandbox = SandboxRunConfig(client=UnixLocalSandboxClient())
    return RunConfig(sandbox=sandbox, group_id="chat-1", **options)


@in_loop
def test_memories_are_made_in_trees_of_their_own(mode: Mode) -> None:
    async def story() -> Any:
        return await run_in(mode, _remembering(), run_config=_local())

    recorded = record(story)
    assert recorded.error is None
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          AGENT Box
            INPUT
            MODEL
            TOOL exec_command
            MODEL
            OUTPUT
          AGENT sandbox-memory-phase-one
            INPUT
            MODEL
            OUTPUT
          AGENT sandbox-memory-phase-two
            INPUT
            MODEL
            OUTPUT
        """
    )
    started = named(recorded.events, "AGENT_START")
    assert len({event["trace_id"] for event in started}) == 3
    assert {event["session_id"] for event in started} == {"chat-1"}
    marks = [event["metadata"].get("background") for event in started]
    assert marks == [None, "sandbox_memory", "sandbox_memory"]


def test_memories_of_a_run_that_hides_its_content_hide_it_too() -> None:
    async def story() -> Any:
        config = _local(trace_include_sensitive_data=False)
        return await run_in(Mode.RUN, _remembering(), run_config=config)

    recorded = record(story)
    assert len(named(recorded.events, "AGENT_END")) == 3
    assert "secret plan" not in str(recorded.events)


def test_memories_made_outside_of_a_run_are_marked() -> None:
    async def story() -> None:
        client = UnixLocalSandboxClient()
        box = await client.create()
        try:
            async with box:
                config = RunConfig(sandbox=SandboxRunConfig(session=box))
                await Runner.run(_remembering(), "Hi", run_config=config)
        finally:
            await client.delete(box)

    recorded = record(story)
    assert recorded.error is None
    marks = [
        event["metadata"].get("background")
        for event in named(recorded.events, "AGENT_START")
    ]
    assert marks == [None, "sandbox_memory", "sandbox_memory"]
    tree_of(recorded.events)


# -- codex ------------------------------------------------------------------------

_CODEX = """#!/bin/sh
cat > /dev/null
printf '%s\\n' '{"type":"thread.started","thread_id":"thread-1"}'
printf '%s\\n' '{"type":"turn.started"}'
printf '%s\\n' '{"type":"item.completed","item":{"id":"i1","type":"agent_message",
"text":"all fixed"}}' | tr -d '\\n'
printf '\\n'
printf '%s\\n' '{"type":"turn.completed","usage":{"input_tokens":3,
"cached_input_tokens":0,"output_tokens":2}}' | tr -d '\\n'
printf '\\n'
"""


def _codex_agent(folder: Path, script: str) -> Any:
    from agents.extensions.experimental.codex import codex_tool

    program = folder / "codex"
    program.write_text(script)
    program.chmod(0o755)
    tool = codex_tool(
        codex_options={"codex_path_override": str(program), "api_key": "not-a-key"},
        working_directory=str(folder),
        skip_git_repo_check=True,
    )
    inputs = {"inputs": [{"type": "text", "text": "Fix it"}]}
    return assistant(calls((tool.name, inputs)), say("Done"), tools=[tool])


@in_loop
def test_codex_is_a_tool(mode: Mode, tmp_path: Path) -> None:
    agent = _codex_agent(tmp_path, _CODEX)
    recorded = record(lambda: run_in(mode, agent))
    assert recorded.error is None
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          AGENT Assistant
            INPUT
            MODEL
            TOOL codex
            MODEL
            OUTPUT
        """
    )
    ended = only(recorded.events, "TOOL_CALL_END")["tool_response"]
    assert "all fixed" in str(ended["output"])
    assert "not-a-key" not in str(recorded.events)


def test_codex_that_fails_is_a_tool_that_failed(tmp_path: Path) -> None:
    script = "#!/bin/sh\ncat > /dev/null\necho broken >&2\nexit 3\n"
    agent = _codex_agent(tmp_path, script)
    recorded = record(lambda: run_in(Mode.RUN, agent))
    assert recorded.error is None
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          AGENT Assistant
            INPUT
            MODEL
            TOOL codex FAILED
              ERROR RuntimeError recoverable
            MODEL
            OUTPUT
        """
    )


# -- the demo loop and pictures ---------------------------------------------------


@pytest.mark.parametrize("stream", [False, True], ids=["run", "streamed"])
def test_the_demo_loop_is_a_run_for_each_line(
    stream: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def played(**enabled: Any) -> tuple[list[Any], str]:
        lines = iter(["Add them", "", "Thanks", "quit"])
        monkeypatch.setattr("builtins.input", lambda _prompt: next(lines))
        steps = [calls(("add", {"a": 1, "b": 2})), say("3"), say("Welcome")]
        agent = assistant(*steps, tools=[add])
        if not enabled:
            asyncio.run(run_demo_loop(agent, stream=stream))
            return [], capsys.readouterr().out
        recorded = record(lambda: run_demo_loop(agent, stream=stream))
        assert recorded.error is None
        return recorded.events, capsys.readouterr().out

    _, expected = played()
    events, shown = played(is_recorded=True)
    assert shown == expected
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT Assistant
            INPUT
            MODEL
            TOOL add
            MODEL
            OUTPUT
          AGENT Assistant
            INPUT
            MODEL
            OUTPUT
        """
    )
    texts = [event["message"]["text"] for event in named(events, "INPUT_RECEIVED")]
    assert texts == ["Add them", "Thanks"]


def test_a_picture_of_the_agents_is_the_same_and_no_event() -> None:
    pytest.importorskip("graphviz")
    from agents.extensions.visualization import draw_graph

    def draw() -> str:
        expert = assistant(say("x"), name="Expert", tools=[add])
        desk: Agent[Any] = Agent(name="Desk", handoffs=[expert], tools=[add])
        return str(draw_graph(desk).source)

    recorded = record(draw)
    assert recorded.value == draw()
    assert "Expert" in recorded.value
    assert all("SYSTEM" in event["type"] for event in recorded.events)


# -- WebSocket --------------------------------------------------------------------


async def _serve(replies: Sequence[Reply], seen: list[Any], **marks: Any) -> Any:
    """
    Answer each `response.create` frame of a WebSocket with the next reply.

    Args:
        replies: What to answer.
        seen: Gets the frames that came.
        **marks: Further members of each message.
    """
    from websockets.asyncio.server import serve

    left = iter(replies)

    async def answer(connection: Any) -> None:
        async for frame in connection:
            body = json.loads(frame)
            seen.append(body)
            reply: Any = next(left)
            request = Request(RESPONSES_PATH, body, {}, len(seen))
            for event in events_of(turn_of(reply), request):
                items = event.get("response", {}).get("output", [])
                for item in [*items, event.get("item", {})]:
                    if item.get("type") == "message":
                        item.update(marks)
                await connection.send(json.dumps(event))

    return await serve(answer, "127.0.0.1", 0)


@in_loop
def test_runs_over_a_shared_websocket_are_recorded(mode: Mode) -> None:
    from agents import responses_websocket_session

    async def story() -> list[Any]:
        seen: list[Any] = []
        replies = ToolCalls(Call("add", {"a": 1, "b": 2})), Text("3"), Text("Bye")
        server = await _serve(replies, seen)
        port = server.sockets[0].getsockname()[1]
        url = f"127.0.0.1:{port}/v1"
        agent: Agent[Any] = Agent(name="Assistant", model="gpt-5", tools=[add])
        async with responses_websocket_session(
            api_key="not-a-key",
            base_url=f"http://{url}",
            websocket_base_url=f"ws://{url}",
        ) as session:
            for line in ("Add", "Bye"):
                if mode is Mode.RUN:
                    await session.run(agent, line)
                else:
                    stream = session.run_streamed(agent, line)
                    async for _ in stream.stream_events():
                        pass
        server.close()
        await server.wait_closed()
        return seen

    recorded = record(story)
    assert recorded.error is None
    assert [frame["type"] for frame in recorded.value] == ["response.create"] * 3
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          AGENT Assistant
            INPUT
            MODEL
            TOOL add
            MODEL
            OUTPUT
          AGENT Assistant
            INPUT
            MODEL
            OUTPUT
        """
    )
    for event in named(recorded.events, "MODEL_INVOCATION_END"):
        assert event["llm_invocation"]["model"] == "gpt-5"
        assert event["llm_invocation"]["total_tokens"] > 0
    assert "not-a-key" not in str(recorded.events)


@in_loop
def test_a_hosted_team_of_agents_is_a_model_like_others(mode: Mode) -> None:
    from agents.extensions.experimental.hosted_multi_agent import (
        OpenAIHostedMultiAgentModel,
    )
    from openai import AsyncOpenAI

    async def story() -> Any:
        seen: list[Any] = []
        server = await _serve(
            [Text("The team says yes")],
            seen,
            agent={"agent_name": "/root"},
            phase="final_answer",
        )
        port = server.sockets[0].getsockname()[1]
        client = AsyncOpenAI(
            api_key="not-a-key",
            base_url=f"http://127.0.0.1:{port}/v1",
            websocket_base_url=f"ws://127.0.0.1:{port}/v1",
        )
        async with client:
            model = OpenAIHostedMultiAgentModel("gpt-5", client)
            agent: Agent[Any] = Agent(name="Lead", model=model)
            result = await run_in(mode, agent)
        server.close()
        await server.wait_closed()
        return result.final_output

    recorded = record(story)
    assert recorded.error is None
    assert recorded.value == "The team says yes"
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          AGENT Lead
            INPUT
            MODEL
            OUTPUT
        """
    )
