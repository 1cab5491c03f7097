"""Services of ADK: sessions, state, memory, artifacts, compaction, MCP servers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from google.adk.agents import SequentialAgent
from google.adk.events.event import Event
from google.adk.events.event_actions import EventActions
from google.adk.memory.in_memory_memory_service import InMemoryMemoryService
from google.adk.runners import Runner
from google.adk.tools import load_memory, preload_memory
from google.genai import types

from tests.frameworks.google_adk.support import (
    APP,
    RELEASE,
    Scripted,
    agent,
    ask,
    new_session,
    play,
    runner_of,
    shape,
    tree_of,
)
from tests.support.trees import named, only, tree


def keep(tool_context: Any) -> str:
    """Write state of several scopes."""
    tool_context.state["k"] = 1
    tool_context.state["user:lang"] = "fr"
    return "kept"


CHANGED = """
    SESSION
      AGENT root
        INPUT
        MODEL
        TOOL keep
        STATE_UPDATE append_event {}
        MODEL
        OUTPUT"""


def test_what_a_tool_writes_into_the_state_is_told_by_scope() -> None:
    events = play(ask(runner_of(agent([("keep", {})], "done", tools=[keep]))))
    assert tree_of(events) == tree(CHANGED.format("InMemorySessionService"))
    state = only(events, "STATE_UPDATE")["state_update"]["state"]
    assert state == {"session": {"k": 1}, "user": {"lang": "fr"}}
    assert only(events, "STATE_UPDATE")["agent_name"] == "root"


def _services(folder: Path) -> list[Any]:
    made = []
    try:
        from google.adk.sessions.sqlite_session_service import SqliteSessionService

        made.append(SqliteSessionService(str(folder / "sqlite.db")))
    except ImportError:
        pass
    try:
        from google.adk.sessions.database_session_service import DatabaseSessionService

        scheme = "sqlite+aiosqlite" if RELEASE >= (1, 20) else "sqlite"
        made.append(DatabaseSessionService(f"{scheme}:///{folder}/db.db"))
    except ImportError:
        pass
    return made


def test_services_that_keep_sessions_in_a_database(tmp_path: Path) -> None:
    for service in _services(tmp_path):

        async def program(service: Any = service) -> None:
            root = agent([("keep", {})], "done", "again", tools=[keep])
            runner = Runner(app_name=APP, agent=root, session_service=service)
            session = await new_session(runner)
            await ask(runner, "hi", session)
            await ask(runner, "more", session)

        name = type(service).__name__
        drawn = shape(program()).replace(f"DATA_ACCESS {name}", "DATA_ACCESS")
        assert drawn == tree(
            f"""{CHANGED.format(name)}
      DATA_ACCESS
      AGENT root
        INPUT
        MODEL
        OUTPUT
    """
        ), name


def test_an_artifact_that_a_tool_saves_and_loads() -> None:
    async def file(tool_context: Any) -> str:
        """Save and load."""
        part = types.Part(
            inline_data=types.Blob(data=b"what the notes say", mime_type="text/plain")
        )
        await tool_context.save_artifact("notes.txt", part)
        await tool_context.load_artifact("notes.txt")
        return "x"

    events = play(ask(runner_of(agent([("file", {})], "done", tools=[file]))))
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
            TOOL file
              STATE_UPDATE
              DATA_ACCESS InMemoryArtifactService
            MODEL
            OUTPUT
        """
    )
    saved = only(events, "STATE_UPDATE")["state_update"]["artifact"]
    assert saved == {
        "file_name": "notes.txt",
        "mime_type": "text/plain",
        "operation": "save",
        "size_bytes": 18,
        "store": "InMemoryArtifactService",
        "version": 0,
    }
    assert "what the notes say" not in str(events)


def test_memory_that_an_agent_loads() -> None:
    root = agent([("load_memory", {"query": "trips"})], "done", tools=[load_memory])
    events = play(ask(runner_of(root)))
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
            TOOL load_memory
              DATA_ACCESS memory://InMemoryMemoryService
            MODEL
            OUTPUT
        """
    )
    assert only(events, "DATA_ACCESS")["data_access"]["metadata"]["query"] == "trips"


def test_memory_that_is_loaded_before_the_model_is_asked() -> None:
    assert shape(ask(runner_of(agent("x", tools=[preload_memory])))) == tree(
        """
        SESSION
          AGENT root
            INPUT
            DATA_ACCESS memory://InMemoryMemoryService
            MODEL
            OUTPUT
        """
    )


@pytest.mark.skipif(RELEASE < (1, 20), reason="it came with 1.16")
@pytest.mark.parametrize("is_alone", [True, False])
def test_events_that_are_compacted_after_a_run(is_alone: bool) -> None:
    from google.adk.apps.app import App, EventsCompactionConfig
    from google.adk.apps.llm_event_summarizer import LlmEventSummarizer

    if is_alone and (2, 0) <= RELEASE < (2, 5):
        pytest.skip("an agent that is not in a sequence is not compacted by ADK 2.0")
    config = EventsCompactionConfig(
        compaction_interval=1,
        overlap_size=0,
        summarizer=LlmEventSummarizer(llm=Scripted(script=["short"], requests=[])),
    )
    root = agent("x")
    top = (
        root
        if is_alone
        else SequentialAgent(name="root", sub_agents=[agent("x", name="one")])
    )
    app = App(name=APP, root_agent=top, events_compaction_config=config)
    events = play(ask(runner_of(app)))
    end = tree_of(events).split("\n")[-2:]
    assert end == [
        "  MODEL",
        "  STATE_UPDATE append_event InMemorySessionService",
    ]
    change = only(events, "STATE_UPDATE")["state_update"]["compaction"]
    assert change["summary"] == "short"


SERVER = '''
import sys
try:
    from mcp.server.mcpserver import MCPServer as Server
except ImportError:
    from mcp.server.fastmcp import FastMCP as Server
server = Server("numbers")

@server.tool()
def mul(a: int, b: int) -> int:
    """Multiply."""
    return a * b

@server.tool()
def bad() -> str:
    """Fail."""
    raise ValueError("out of order")

server.run()
'''


@pytest.mark.skipif(RELEASE < (2, 5), reason="failures are judged since 2.5")
def test_tools_of_an_mcp_server(tmp_path: Path) -> None:
    from google.adk.tools.mcp_tool import McpToolset, StdioConnectionParams
    from mcp import StdioServerParameters

    program = tmp_path / "server.py"
    program.write_text(SERVER)
    parameters = StdioServerParameters(command=sys.executable, args=[str(program)])
    toolset = McpToolset(
        connection_params=StdioConnectionParams(server_params=parameters, timeout=60)
    )

    async def run() -> None:
        root = agent([("mul", {"a": 2, "b": 3})], [("bad", {})], "x", tools=[toolset])
        await ask(runner_of(root))
        await toolset.close()

    events = play(run())
    drawn = [line for line in tree_of(events).split("\n") if "tools/list" not in line]
    assert "\n".join(drawn) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MCP initialize
            MODEL
            TOOL mul
              MCP tools/call
            MODEL
            TOOL bad FAILED
              MCP tools/call FAILED
                ERROR MCPToolError recoverable
            MODEL
            OUTPUT
        """
    )


@pytest.mark.skipif(RELEASE < (2, 9), reason="the run failed before")
def test_an_mcp_server_that_cannot_be_started() -> None:
    from google.adk.tools.mcp_tool import McpToolset, StdioConnectionParams
    from mcp import StdioServerParameters

    parameters = StdioServerParameters(command="no-such-program-of-chaukas", args=[])
    toolset = McpToolset(
        connection_params=StdioConnectionParams(server_params=parameters, timeout=20)
    )
    events = play(ask(runner_of(agent("x", tools=[toolset]))))
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MCP initialize FAILED
              RETRY mcp 1/1
              ERROR ConnectionError recoverable
            MODEL
            OUTPUT
        """
    )
    retry = only(events, "RETRY")["retry"]
    assert "no-such-program-of-chaukas" in retry["error_message"]
    call = only(events, "MCP_CALL_START")["mcp_call"]
    assert call["metadata"]["command"] == "no-such-program-of-chaukas"


def test_sessions_that_go_into_memory() -> None:
    service = InMemoryMemoryService()

    async def program() -> None:
        async def remember(tool_context: Any) -> str:
            """Remember the session."""
            # Public since 1.20 only.
            context = vars(tool_context)["_invocation_context"]
            await service.add_session_to_memory(context.session)
            return "x"

        await ask(runner_of(agent([("remember", {})], "done", tools=[remember])))

    events = play(program())
    change = only(events, "STATE_UPDATE")["state_update"]["memory"]
    assert change["store"] == "InMemoryMemoryService"
    assert len(named(events, "TOOL_CALL_START")) == 1


def test_a_session_that_is_made_with_state_and_deleted() -> None:
    async def program() -> None:
        runner = runner_of(agent("x"))
        session = await new_session(runner, session_id="s1", state={"app:k": 1})
        await ask(runner, "hi", session)
        await runner.session_service.delete_session(
            app_name=APP, user_id="u", session_id=session
        )
        await ask(runner_of(agent("other")))

    events = play(program())
    assert tree_of(events) == tree(
        """
        SESSION
          STATE_UPDATE create_session InMemorySessionService
          AGENT root
            INPUT
            MODEL
            OUTPUT
        SESSION
          AGENT root
            INPUT
            MODEL
            OUTPUT
        """
    )
    ends = [event["session_id"] for event in named(events, "SESSION_END")]
    assert ends[0] == "app1/u/s1"
    assert events.index(named(events, "SESSION_END")[0]) < len(events) - 5


@pytest.mark.skipif(RELEASE < (1, 20), reason="it came with 1.17")
def test_a_session_that_is_taken_back() -> None:
    async def file(tool_context: Any) -> str:
        """Save a file, and write state."""
        part = types.Part(inline_data=types.Blob(data=b"1234", mime_type="text/plain"))
        await tool_context.save_artifact("notes.txt", part)
        tool_context.state["k"] = 1
        return "x"

    async def program() -> None:
        runner = runner_of(agent([("file", {})], "one", "two", tools=[file]))
        session = await new_session(runner, session_id="s1")
        events = await ask(runner, "hi", session)
        await runner.rewind_async(
            user_id="u",
            session_id=session,
            rewind_before_invocation_id=events[0].invocation_id,
        )
        await ask(runner, "more", session)

    events = play(program())
    assert tree_of(events) == tree(
        """
        SESSION
          AGENT root
            INPUT
            MODEL
            TOOL file
              STATE_UPDATE
            STATE_UPDATE append_event InMemorySessionService
            MODEL
            OUTPUT
          STATE_UPDATE append_event InMemorySessionService
          DATA_ACCESS InMemorySessionService
          AGENT root
            INPUT
            MODEL
            OUTPUT
        """
    )
    change = named(events, "STATE_UPDATE")[-1]
    assert change["session_id"] == "app1/u/s1"
    rewind = change["state_update"]["rewind"]
    assert rewind["before_invocation_id"].startswith("e-")
    assert rewind["artifacts"] == {"notes.txt": 1}
    # Releases name what they take away in different ways.
    assert set(change["state_update"]["state"]) <= {"session"}


def test_state_that_an_application_appends_by_itself() -> None:
    async def program() -> None:
        runner = runner_of(agent("x"))
        service = runner.session_service
        name = await new_session(runner, session_id="s1")
        session = await service.get_session(app_name=APP, user_id="u", session_id=name)
        delta = {"plan": "gold", "user:lang": "fr", "app:v": 2, "temp:now": 3}
        await service.append_event(
            session, Event(author="system", actions=EventActions(state_delta=delta))
        )
        await ask(runner, "hi", name)

    events = play(program())
    assert tree_of(events) == tree(
        """
        SESSION
          STATE_UPDATE append_event InMemorySessionService
          DATA_ACCESS InMemorySessionService
          AGENT root
            INPUT
            MODEL
            OUTPUT
        """
    )
    assert only(events, "STATE_UPDATE")["state_update"]["state"] == {
        "session": {"plan": "gold"},
        "user": {"lang": "fr"},
        "app": {"v": 2},
        "temp": {"now": 3},
    }
