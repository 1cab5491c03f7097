"""
MCP: one pair for each call of a server's method, by the runner or the application.

The servers are real, over all three transports; only what a user's own class of
servers may do is played by one written here.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from agents import Agent, RunConfig, Runner, function_tool
from agents.mcp import (
    MCPServer,
    MCPServerManager,
    MCPServerSse,
    MCPServerStdio,
    MCPServerStreamableHttp,
    create_static_tool_filter,
)
from mcp.types import CallToolResult, TextContent, Tool

import chaukas.sdk
from chaukas.sdk.testing import capture_events
from tests.support.agent_runs import (
    Mode,
    calls,
    in_loop,
    outcome_of,
    record,
    run_in,
    say,
)
from tests.support.mcp_station import Station, served
from tests.support.programs import play
from tests.support.scenarios import assistant
from tests.support.trees import named, only, tree, tree_of

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SECRET = "hunter2-swordfish"
_ADD = ("add", {"a": 1, "b": 2})


def _stdio(*options: str, **settings: Any) -> MCPServerStdio:
    command = {
        "command": sys.executable,
        "args": ["-m", "tests.support.mcp_station", *options],
        "cwd": str(ROOT),
        "env": {"STATION_TOKEN": SECRET},
    }
    return MCPServerStdio(command, name="station", **settings)


class Hub:
    """Stations that are up for all tests here: starting one takes long."""

    def __init__(self, stack: ExitStack) -> None:
        self.states = {name: Station() for name in ("sse", "streamable_http")}
        self.urls = {
            name: stack.enter_context(served(name, state))
            for name, state in self.states.items()
        }

    def server(self, transport: str = "streamable_http", **settings: Any) -> Any:
        """Return a server that is not connected yet."""
        if transport == "stdio":
            return _stdio(**settings)
        cls = MCPServerSse if transport == "sse" else MCPServerStreamableHttp
        return cls({"url": self.urls[transport]}, name="station", **settings)

    def state(self, transport: str = "streamable_http") -> Station:
        """Return what the station of *transport* knows, as at its start."""
        state = self.states[transport]
        state.waiting.clear()
        state.failures = 0
        state.metas.clear()
        return state


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with ExitStack() as stack:
        yield Hub(stack)


async def _run(server: Any, *steps: Any, mode: Mode = Mode.RUN, **options: Any) -> Any:
    async with server:
        agent = assistant(*steps, mcp_servers=[server], **options)
        return (await run_in(mode, agent)).final_output


class Memory(MCPServer):
    """A server of the application's own: no process, no network."""

    def __init__(self, name: str = "memory", **options: Any) -> None:
        super().__init__(**options)
        self._own_name = name
        self.asked: list[Any] = []

    @property
    def name(self) -> str:
        return self._own_name

    # `Self` comes with Python 3.11.
    async def __aenter__(self) -> Memory:  # noqa: PYI034
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cleanup()

    async def connect(self) -> None:
        return

    async def cleanup(self) -> None:
        return

    async def list_tools(self, run_context: Any = None, agent: Any = None) -> Any:
        del run_context, agent
        return [Tool(name="recall", input_schema={"type": "object"})]

    async def call_tool(
        self, tool_name: str, arguments: Any, meta: Any = None
    ) -> CallToolResult:
        self.asked.append((tool_name, arguments, meta))
        return CallToolResult(content=[TextContent(type="text", text="a memory")])

    async def list_prompts(self) -> Any:
        return None

    async def get_prompt(self, name: str, arguments: Any = None) -> Any:
        raise KeyError(name)


def _recall(server: Any) -> Any:
    """Run an agent that calls the tool of a `Memory`."""
    return asyncio.run(_run(server, calls(("recall", {})), say("ok")))


def _below(events: Any, head: str) -> str:
    """Return the part of a tree from a head to the next one on its level."""
    lines = tree_of(events).split("\n")
    first = next(n for n, line in enumerate(lines) if line.startswith(head))
    indent = len(head) - len(head.lstrip())
    rest = [*lines[first + 1 :], ""]
    size = next(
        n for n, line in enumerate(rest) if len(line) - len(line.lstrip()) <= indent
    )
    return tree("\n".join(["", *lines[first : first + 1 + size]]))


# --- trees -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("transport", "mode"),
    [
        ("stdio", Mode.RUN),
        ("sse", Mode.STREAMED),
        ("streamable_http", Mode.RUN),
        ("streamable_http", Mode.STREAMED),
    ],
)
def test_every_call_is_a_pair_under_what_made_it(
    hub: Hub, transport: str, mode: Mode
) -> None:
    async def scenario(server: Any) -> Any:
        steps = calls(_ADD), calls(("fail", {}), first=2), say("3")
        async with server:
            agent = assistant(*steps, mcp_servers=[server])
            await run_in(mode, agent)
            await server.list_prompts()
            await server.get_prompt("greet", {"name": "Ann"})
            await server.list_resources()
            await server.list_resource_templates()
            await server.read_resource("notes://today")

    server = hub.server(transport)
    recorded = record(lambda: scenario(server))
    assert recorded.error is None
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          MCP initialize
          AGENT Assistant
            INPUT
            MCP tools/list
            MODEL
            TOOL add
              MCP tools/call
            MCP tools/list
            MODEL
            TOOL fail FAILED
              MCP tools/call FAILED
                ERROR MCPToolError recoverable
            MCP tools/list
            MODEL
            OUTPUT
          MCP prompts/list
          MCP prompts/get
          MCP resources/list
          MCP resources/templates/list
          MCP resources/read
            DATA_ACCESS station
          MCP shutdown
        """
    )
    _check_contents(recorded.events, transport)


def _check_contents(events: Any, transport: str) -> None:
    starts = [event["mcp_call"] for event in named(events, "MCP_CALL_START")]
    ends = [event["mcp_call"] for event in named(events, "MCP_CALL_END")]
    assert {start["server_name"] for start in starts} == {"station"}
    assert {start["metadata"]["transport"] for start in starts} == {transport}
    assert all(("server_url" in start) == (transport != "stdio") for start in starts)
    versions = {end["protocol_version"] for end in ends}
    assert len(versions) == 1
    assert all(end["execution_time_ms"] > 0 for end in ends)
    told = {end["operation"]: end.get("response") for end in ends}
    assert told["initialize"]["server_info"]["name"] == "station"
    assert told["tools/list"] == {
        "tools": ["add", "fail", "wait", "flaky", "die"],
        "count": 5,
    }
    assert told["prompts/list"] == {"prompts": ["greet"], "count": 1}
    assert told["prompts/get"]["messages"][0]["content"]["text"] == "Say hello to Ann."
    assert told["resources/list"] == {"resources": ["notes://today"], "count": 1}
    assert told["resources/templates/list"]["resource_templates"] == ["notes://{day}"]
    assert told["resources/read"]["contents"][0]["text"] == "sunny"
    asked = {start["operation"]: start.get("request") for start in starts}
    assert asked["prompts/get"] == {"name": "greet", "arguments": {"name": "Ann"}}
    assert asked["resources/read"] == {"uri": "notes://today"}
    access = only(events, "DATA_ACCESS")["data_access"]
    assert access["document_ids"] == ["notes://today"]


@in_loop
def test_a_tool_call_tells_question_answer_and_failure(hub: Hub, mode: Mode) -> None:
    steps = calls(_ADD), calls(("fail", {"api_key": SECRET}), first=2), say("3")
    server = hub.server()
    events = record(lambda: _run(server, *steps, mode=mode)).events
    first, second = (
        event["mcp_call"]
        for event in named(events, "MCP_CALL_START")
        if event["mcp_call"]["operation"] == "tools/call"
    )
    assert first["request"] == {"name": "add", "arguments": {"a": 1, "b": 2}}
    assert second["request"]["arguments"] == {"api_key": "[REDACTED]"}
    good, bad = (
        event
        for event in named(events, "MCP_CALL_END")
        if event["mcp_call"]["operation"] == "tools/call"
    )
    assert good["mcp_call"]["response"]["content"] == [{"type": "text", "text": "3"}]
    assert "is_error" not in good["mcp_call"]
    assert bad["mcp_call"]["is_error"]
    assert bad["mcp_call"]["error_message"] == "Error executing tool fail"
    tool = named(events, "TOOL_CALL_END")[1]
    assert tool["tool_response"]["error_message"] == "Error executing tool fail"
    assert SECRET not in json.dumps(events)


def test_calls_outside_of_a_run_stand_in_the_session_in_force() -> None:
    async def scenario() -> None:
        server = Memory()
        with chaukas.sdk.session("chat-42", tenant_id="acme"):
            await server.connect()
            await server.call_tool("recall", {})
        await server.cleanup()

    recorded = record(scenario)
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          MCP initialize
          MCP tools/call
        SESSION
          MCP shutdown
        """
    )
    chat, alone = named(recorded.events, "SESSION_START")
    assert (chat["session_id"], chat["tenant_id"]) == ("chat-42", "acme")
    assert alone["session_id"] != "chat-42"
    for end in named(recorded.events, "SESSION_END"):
        assert end["session_end"]["metadata"]["runs"] == 0


def test_a_session_stays_open_until_a_call_in_it_is_over() -> None:
    async def scenario() -> None:
        release = asyncio.Event()

        class Slow(Memory):
            async def connect(self) -> None:
                await release.wait()

        with chaukas.sdk.session("chat"):
            task = asyncio.ensure_future(Slow().connect())
            await asyncio.sleep(0)
        release.set()
        await task

    events = record(scenario).events
    kinds = [event["type"].removeprefix("EVENT_TYPE_") for event in events]
    assert kinds.index("MCP_CALL_END") < kinds.index("SESSION_END")


def test_nothing_is_recorded_of_a_trace_that_is_not_sampled() -> None:
    events = record(lambda: _recall(Memory()), sample_rate=0.0).events
    assert {event["type"] for event in events} <= {"EVENT_TYPE_SYSTEM"}


# --- content ---------------------------------------------------------------------


def test_credentials_in_an_address_are_nowhere_in_the_record() -> None:
    with served("streamable_http") as url:
        secret = url.replace("://", f"://ann:{SECRET}@") + f"?token={SECRET}"
        headers = {"Authorization": f"Bearer {SECRET}"}
        server = MCPServerStreamableHttp({"url": secret, "headers": headers})
        events = record(lambda: _run(server, calls(_ADD), say("3"))).events
        told = {
            (event["mcp_call"]["server_name"], event["mcp_call"]["server_url"])
            for event in named(events, "MCP_CALL_START")
        }
    assert told == {(f"streamable_http: {url}", url)}
    # Nothing listens there any more.
    broken = MCPServerStreamableHttp({"url": secret, "headers": headers})
    events += record(lambda: _run(broken, say("unreached"))).events
    assert only(events, "ERROR")
    assert SECRET not in json.dumps(events)


def test_names_are_shown_where_content_is_hidden(hub: Hub) -> None:
    server = hub.server()
    steps = calls(_ADD), say("3")
    events = record(lambda: _run(server, *steps), capture_content=False).events
    start = next(
        event["mcp_call"]
        for event in named(events, "MCP_CALL_START")
        if event["mcp_call"]["operation"] == "tools/call"
    )
    assert start["server_name"] == "station"
    assert start["request"]["name"] == "add"
    assert start["request"]["arguments"] != {"a": 1, "b": 2}
    listing = named(events, "MCP_CALL_END")[1]["mcp_call"]
    assert "add" in listing["response"]["tools"]


def test_a_run_that_hides_its_content_hides_that_of_its_calls() -> None:
    async def scenario() -> None:
        agent = assistant(calls(("recall", {"of": "ann"})), say("ok"))
        agent.mcp_servers = [Memory()]
        hidden = RunConfig(trace_include_sensitive_data=False)
        await Runner.run(agent, "Hi", run_config=hidden)

    events = record(scenario).events
    assert named(events, "MCP_CALL_START")
    text = json.dumps([event.get("mcp_call") for event in events])
    assert "ann" not in text
    assert "a memory" not in text


def test_a_listing_from_the_cache_is_told_as_such(hub: Hub) -> None:
    server = hub.server(cache_tools_list=True)
    events = record(lambda: _run(server, calls(_ADD), say("3"))).events
    listings = [
        event["mcp_call"].get("cached", False)
        for event in named(events, "MCP_CALL_END")
        if event["mcp_call"]["operation"] == "tools/list"
    ]
    assert listings == [False, True]


def test_a_failed_answer_that_the_application_gets_itself_is_told(hub: Hub) -> None:
    async def scenario(server: Any) -> Any:
        async with server:
            return await server.call_tool("fail", {})

    server = hub.server()
    recorded = record(lambda: scenario(server))
    assert recorded.value.is_error
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          MCP initialize
          MCP tools/call FAILED
            ERROR MCPToolError recoverable
          MCP shutdown
        """
    )


# --- failures --------------------------------------------------------------------


def test_a_server_that_cannot_be_started_is_a_failed_connect() -> None:
    server = MCPServerStdio({"command": "/no/such/program", "args": ["--key", SECRET]})
    recorded = record(lambda: _run(server, say("unreached")))
    assert isinstance(recorded.error, FileNotFoundError)
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          MCP initialize FAILED
            ERROR FileNotFoundError
        """
    )
    start = only(recorded.events, "MCP_CALL_START")["mcp_call"]
    assert start["metadata"] == {"transport": "stdio", "command": "program"}
    assert SECRET not in json.dumps(recorded.events)


def test_what_a_group_of_errors_holds_is_told() -> None:
    server = MCPServerStdio({"command": sys.executable, "args": ["-c", "exit(3)"]})
    recorded = record(lambda: _run(server, say("unreached")))
    end = only(recorded.events, "MCP_CALL_END")["mcp_call"]
    assert "Connection closed" in end["error_message"]
    error = only(recorded.events, "ERROR")["error"]
    assert "Connection closed" in error["metadata"]["reason"]


def test_a_server_that_dies_in_a_call_fails_the_tool() -> None:
    async def scenario() -> Any:
        return await _run(_stdio("--mortal"), calls(("die", {})), say("It died"))

    recorded = record(scenario)
    assert "It died" in (recorded.value or "") or recorded.error is not None
    start = next(
        event
        for event in named(recorded.events, "MCP_CALL_START")
        if event["mcp_call"]["operation"] == "tools/call"
    )
    tool = only(recorded.events, "TOOL_CALL_END")
    error = named(recorded.events, "ERROR")[0]
    assert tool["status"] == "EVENT_STATUS_FAILED"
    assert start["parent_span_id"] == tool["span_id"]
    assert error["parent_span_id"] == start["span_id"]
    assert error["error"]["recoverable"]
    tree_of(recorded.events)


def test_an_error_that_ends_the_run_is_told_once_where_it_came_from() -> None:
    class Broken(Memory):
        async def call_tool(self, *_: Any, **__: Any) -> CallToolResult:
            raise ConnectionError("the line is dead")

    server = Broken(failure_error_function=None)
    recorded = record(lambda: _recall(server))
    assert recorded.error is not None
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          MCP initialize
          AGENT Assistant FAILED
            INPUT
            MCP tools/list
            MODEL
            TOOL recall FAILED
              MCP tools/call FAILED
                ERROR AgentsException
          MCP shutdown
        """
    )


def test_a_failed_listing_ends_the_run_and_is_told_once() -> None:
    class Broken(Memory):
        async def list_tools(self, *_: Any, **__: Any) -> Any:
            raise ConnectionError("the line is dead")

    recorded = record(lambda: _recall(Broken()))
    assert isinstance(recorded.error, ConnectionError)
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          MCP initialize
          AGENT Assistant FAILED
            INPUT
            MCP tools/list FAILED
              ERROR ConnectionError
          MCP shutdown
        """
    )


def test_a_call_that_takes_too_long_fails(hub: Hub) -> None:
    # It holds for connecting and listing too, which a busy machine takes its time for.
    server = hub.server(client_session_timeout_seconds=3)
    recorded = record(lambda: _run(server, calls(("wait", {})), say("Too slow")))
    assert recorded.value == "Too slow"
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          MCP initialize
          AGENT Assistant
            INPUT
            MCP tools/list
            MODEL
            TOOL wait FAILED
              MCP tools/call FAILED
                ERROR MCPError recoverable
            MCP tools/list
            MODEL
            OUTPUT
          MCP shutdown
        """
    )
    end = named(recorded.events, "MCP_CALL_END")[2]["mcp_call"]
    assert end["metadata"]["rpc_code"] == -32001


@pytest.mark.parametrize("transport", ["sse", "streamable_http"])
def test_a_call_whose_run_is_cancelled_is_cancelled(hub: Hub, transport: str) -> None:
    state = hub.state(transport)

    async def scenario(server: Any) -> Any:
        async with server:
            agent = assistant(calls(("wait", {})), mcp_servers=[server])
            task = asyncio.ensure_future(Runner.run(agent, "Hi"))
            await asyncio.to_thread(state.waiting.wait, 10)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return await server.call_tool("add", {"a": 1, "b": 2})

    server = hub.server(transport)
    recorded = record(lambda: scenario(server))
    assert recorded.error is None
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          MCP initialize
          AGENT Assistant CANCELLED
            INPUT
            MCP tools/list
            MODEL
            TOOL wait CANCELLED
              MCP tools/call CANCELLED
          MCP tools/call
          MCP shutdown
        """
    )


@pytest.mark.parametrize("in_parallel", [False, True])
def test_a_manager_goes_on_without_the_servers_that_fail(
    hub: Hub, in_parallel: bool
) -> None:
    async def scenario(server: Any) -> Any:
        broken = MCPServerStdio({"command": "/no/such/program"})
        manager = MCPServerManager([broken, server], connect_in_parallel=in_parallel)
        async with manager:
            assert manager.failed_servers == [broken]
            steps = calls(_ADD), say("3")
            agent = assistant(*steps, mcp_servers=manager.active_servers)
            return (await Runner.run(agent, "Hi")).final_output

    server = hub.server()
    recorded = record(lambda: scenario(server))
    assert recorded.value == "3"
    operations = [
        (event["mcp_call"]["operation"], event["status"].removeprefix("EVENT_STATUS_"))
        for event in named(recorded.events, "MCP_CALL_END")
    ]
    assert sorted(operations) == [
        ("initialize", "COMPLETED"),
        ("initialize", "FAILED"),
        # The manager also cleans up what never was connected.
        *[("shutdown", "COMPLETED")] * 2,
        ("tools/call", "COMPLETED"),
        *[("tools/list", "COMPLETED")] * 2,
    ]
    tree_of(recorded.events)


def test_a_connect_that_takes_too_long_is_cancelled() -> None:
    class Deaf(Memory):
        async def connect(self) -> None:
            await asyncio.Event().wait()

    async def scenario() -> Any:
        manager = MCPServerManager([Deaf()], connect_timeout_seconds=0.01)
        async with manager:
            return [type(error) for error in manager.errors.values()]

    recorded = record(scenario)
    assert len(recorded.value) == 1
    assert named(recorded.events, "MCP_CALL_END")[0]["status"].endswith("CANCELLED")
    assert not named(recorded.events, "ERROR")


# --- retries ---------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["sse", "streamable_http"])
def test_repeated_requests_are_retries_of_one_call(hub: Hub, transport: str) -> None:
    state = hub.state(transport)

    async def scenario(server: Any) -> Any:
        async with server:
            state.failures = 2
            return await server.call_tool("flaky", {"how": "busy"})

    options = {"max_retry_attempts": 3, "retry_backoff_seconds_base": 0.01}
    server = hub.server(transport, **options)
    recorded = record(lambda: scenario(server))
    assert recorded.value.content[0].text == "ok"
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          MCP initialize
          MCP tools/call
            RETRY mcp 1/3
            RETRY mcp 2/3
          MCP shutdown
        """
    )
    first, second = (event["retry"] for event in named(recorded.events, "RETRY"))
    assert first["error_message"] == "the station is busy"
    assert first["strategy"] == "exponential"
    assert first["metadata"]["rpc_code"] == -32099
    assert first["backoff_ms"] >= 10
    assert second["backoff_ms"] >= 20
    end = named(recorded.events, "MCP_CALL_END")[1]["mcp_call"]
    assert end["metadata"] == {"attempts": 3}


def test_a_request_repeated_in_a_session_of_its_own_is_an_immediate_retry(
    hub: Hub,
) -> None:
    state = hub.state()

    async def scenario(server: Any) -> Any:
        async with server:
            state.failures = 1
            return await server.call_tool("flaky", {"how": "hang"})

    options = {"max_retry_attempts": 1, "client_session_timeout_seconds": 0.2}
    server = hub.server(**options)
    recorded = record(lambda: scenario(server))
    assert recorded.value.content[0].text == "ok"
    retry = only(recorded.events, "RETRY")["retry"]
    assert (retry["attempt"], retry["strategy"]) == (1, "immediate")
    assert retry["metadata"]["isolated_session"]
    assert "backoff_ms" not in retry


def test_a_call_whose_retries_are_used_up_fails_with_the_last_error(hub: Hub) -> None:
    state = hub.state("sse")

    async def scenario(server: Any) -> Any:
        async with server:
            state.failures = 9
            return await server.call_tool("flaky", {"how": "busy"})

    options = {"max_retry_attempts": 1, "retry_backoff_seconds_base": 0.0}
    server = hub.server("sse", **options)
    recorded = record(lambda: scenario(server))
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          MCP initialize
          MCP tools/call FAILED
            RETRY mcp 1/1
            ERROR MCPError
          MCP shutdown
        """
    )


# --- servers of the application's own --------------------------------------------


def test_a_method_that_calls_the_one_it_overrides_is_one_call() -> None:
    with capture_events() as events:
        # Only now, so that the class is seen as it is made.
        class Careful(Memory):
            async def connect(self) -> None:
                await super().connect()

            async def call_tool(
                self, tool_name: str, arguments: Any, meta: Any = None
            ) -> CallToolResult:
                return await super().call_tool(tool_name, arguments, meta)

        server = Careful()
        assert _recall(server) == "ok"
    assert tree_of(events()) == tree(
        """
        SESSION
          MCP initialize
          AGENT Assistant
            INPUT
            MCP tools/list
            MODEL
            TOOL recall
              MCP tools/call
            MCP tools/list
            MODEL
            OUTPUT
          MCP shutdown
        """
    )
    assert server.asked == [("recall", {}, None)]


def test_a_server_that_asks_another_has_the_others_call_below_its_own() -> None:
    class Relay(Memory):
        def __init__(self, behind: Memory) -> None:
            super().__init__("relay")
            self.behind = behind

        async def call_tool(
            self, tool_name: str, arguments: Any, meta: Any = None
        ) -> CallToolResult:
            return await self.behind.call_tool(tool_name, arguments, meta)

    class Closed(Memory):
        async def call_tool(self, *_: Any, **__: Any) -> CallToolResult:
            text = TextContent(type="text", text="closed")
            return CallToolResult(content=[text], is_error=True)

    events = record(lambda: _recall(Relay(Closed()))).events
    assert _below(events, "    TOOL") == tree(
        """
        TOOL recall FAILED
          MCP tools/call FAILED
            MCP tools/call FAILED
              ERROR MCPToolError recoverable
        """
    )


def test_a_server_that_makes_good_the_failure_of_another_has_not_failed() -> None:
    class Closed(Memory):
        async def call_tool(self, *_: Any, **__: Any) -> CallToolResult:
            text = TextContent(type="text", text=f"no entry with api_key={SECRET}")
            return CallToolResult(content=[text], is_error=True)

    class Patient(Memory):
        async def call_tool(self, *_: Any, **__: Any) -> CallToolResult:
            await Closed().call_tool("recall", {})
            return CallToolResult(content=[])

    events = record(lambda: _recall(Patient())).events
    assert _below(events, "    TOOL") == tree(
        """
        TOOL recall
          MCP tools/call
            MCP tools/call FAILED
              ERROR MCPToolError recoverable
        """
    )
    events += record(lambda: _recall(Closed())).events
    assert SECRET not in json.dumps(events)


def test_an_agent_that_works_for_a_server_stands_below_the_call() -> None:
    class Expert(Memory):
        async def call_tool(self, *_: Any, **__: Any) -> CallToolResult:
            if self.asked:
                return CallToolResult(content=[])
            self.asked.append("once")
            inner = assistant(calls(("recall", {})), say("it is 42"), name="Inner")
            inner.mcp_servers = [self]
            text = (await Runner.run(inner, "What?")).final_output
            return CallToolResult(content=[TextContent(type="text", text=text)])

    events = record(lambda: _recall(Expert())).events
    assert _below(events, "    TOOL") == tree(
        """
        TOOL recall
          MCP tools/call
            AGENT Inner
              MCP tools/list
              MODEL
              TOOL recall
                MCP tools/call
              MCP tools/list
              MODEL
        """
    )


def test_what_a_task_begun_while_connecting_does_later_is_not_below_that() -> None:
    class Listening(Memory):
        async def connect(self) -> None:
            self.heard = asyncio.Event()
            self.task = asyncio.ensure_future(self._listen())

        async def _listen(self) -> None:
            await self.heard.wait()
            await self.list_prompts()
            await Runner.run(assistant(say("Hello"), name="Listener"), "Hi")

    async def scenario() -> None:
        server = Listening()
        await server.connect()
        server.heard.set()
        await server.task

    assert tree_of(record(scenario).events) == tree(
        """
        SESSION
          MCP initialize
          MCP prompts/list
          AGENT Listener
            INPUT
            MODEL
            OUTPUT
        """
    )


def test_a_name_that_is_computed_is_not_asked_for() -> None:
    class Shy(Memory):
        @property
        def name(self) -> str:
            raise RuntimeError("connect first")

    class Fixed(Memory):
        @property
        def name(self) -> str:
            """Tell the name."""
            return "fixed"

    class Plain(Memory):
        name = "plain"

    async def scenario() -> None:
        for server in (Shy(), Fixed(), Plain(), Memory("given")):
            await server.connect()

    starts = named(record(scenario).events, "MCP_CALL_START")
    names = [start["mcp_call"]["server_name"] for start in starts]
    assert names == ["Shy", "fixed", "plain", "given"]


def test_an_answer_of_any_kind_is_passed_on_and_told() -> None:
    class Odd(Memory):
        async def list_prompts(self) -> Any:
            return answer

        async def list_tools(self, *_: Any, **__: Any) -> Any:
            return answer

        async def call_tool(self, *_: Any, **__: Any) -> Any:
            return answer

    class Answer:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(name)

        def __bool__(self) -> bool:
            raise AssertionError

    answer = Answer()

    async def scenario() -> Any:
        server = Odd()
        return [
            await server.list_prompts(),
            await server.list_tools(),
            await server.call_tool("any", {}),
        ]

    recorded = record(scenario)
    assert recorded.error is None
    assert all(value is answer for value in recorded.value)
    statuses = {event["status"] for event in named(recorded.events, "MCP_CALL_END")}
    assert statuses == {"EVENT_STATUS_COMPLETED"}


def test_a_method_that_a_server_does_not_have_is_a_failed_call() -> None:
    async def scenario() -> Any:
        return await Memory().list_resources()

    recorded = record(scenario)
    assert isinstance(recorded.error, NotImplementedError)
    assert only(recorded.events, "ERROR")["error"]["error_code"] == (
        "NotImplementedError"
    )


# --- the host's program ----------------------------------------------------------


def _played_twice(scenario: Any) -> tuple[Any, Any]:
    bare = outcome_of(scenario)
    recorded = record(scenario)
    return bare, (recorded.value, recorded.error)


async def _filtered(state: Station, server: Any) -> Any:
    """Play filters, metadata, prefixes and approvals; return what the host sees."""
    state.metas.clear()
    async with server:
        agent = assistant(
            calls(("mcp_station__add", {"a": 1, "b": 2})),
            say("3"),
            mcp_servers=[server],
            mcp_config={"include_server_in_tool_names": True},
        )
        paused = await Runner.run(agent, "Hi")
        pending = [(item.name, item.arguments) for item in paused.interruptions]
        resumed = paused.to_state()
        resumed.approve(resumed.get_interruptions()[0])
        result = await Runner.run(agent, resumed)
        offered = await agent.get_all_tools(result.context_wrapper)
        tools = [tool.name for tool in offered]
        metas = [dict(meta or {}).get("tenant") for meta in state.metas]
        outputs = [item.output for item in result.new_items if hasattr(item, "output")]
    return pending, tools, metas, outputs, result.final_output


@pytest.mark.parametrize("kind", ["static", "callable"])
def test_filters_metadata_prefixes_and_approvals_work_as_without(
    hub: Hub, kind: str
) -> None:
    filters: dict[str, Any] = {
        "static": create_static_tool_filter(allowed_tool_names=["add"]),
        "callable": lambda context, tool: tool.name in {"add", context.server_name},
    }
    state = hub.state()
    settings = {
        "tool_filter": filters[kind],
        "require_approval": "always",
        "tool_meta_resolver": lambda context: {"tenant": context.server_name},
        "use_structured_content": True,
    }

    def scenario() -> Any:
        return asyncio.run(_filtered(state, hub.server(**settings)))

    bare = outcome_of(scenario)
    recorded = record(scenario)
    assert bare == (recorded.value, recorded.error)
    assert bare[0] == (
        [("mcp_station__add", '{"a":1,"b":2}')],
        ["mcp_station__add"],
        ["station"],
        ['{"result": 3}'],
        "3",
    )
    asked = [
        event["mcp_call"]["request"]
        for event in named(recorded.events, "MCP_CALL_START")
        if event["mcp_call"]["operation"] == "tools/call"
    ]
    assert asked == [
        {"name": "add", "arguments": {"a": 1, "b": 2}, "_meta": {"tenant": "station"}}
    ]
    listing = named(recorded.events, "MCP_CALL_END")[1]["mcp_call"]
    assert listing["response"] == {"tools": ["add"], "count": 1}


@pytest.mark.parametrize("story", ["dies", "refused", "no_session", "late"])
def test_errors_are_the_same_as_without(story: str) -> None:
    async def scenario() -> Any:
        if story == "refused":
            server: Any = MCPServerSse({"url": "http://127.0.0.1:9/sse"})
            await server.connect()
        elif story == "no_session":
            await MCPServerSse({"url": "http://127.0.0.1:9/sse"}).list_tools()
        elif story == "late":
            await Memory().get_prompt("nothing")
        else:
            async with _stdio("--mortal") as server:
                await server.call_tool("die", {})

    (_, bare), (_, with_chaukas) = _played_twice(scenario)
    assert type(bare) is type(with_chaukas)
    assert str(bare) == str(with_chaukas)
    assert type(bare.__cause__) is type(with_chaukas.__cause__)
    assert type(bare.__context__) is type(with_chaukas.__context__)


def test_a_call_under_way_when_chaukas_is_disabled_goes_on(hub: Hub) -> None:
    async def scenario(server: Any, state: Station) -> Any:
        async with server:
            task = asyncio.ensure_future(server.call_tool("wait", {}))
            await asyncio.to_thread(state.waiting.wait, 10)
            chaukas.sdk.disable_chaukas()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return await server.call_tool("add", {"a": 1, "b": 2})

    state, server = hub.state(), hub.server()
    with capture_events() as events:
        value, error = outcome_of(lambda: scenario(server, state))
        told = events()
    assert error is None
    assert value.structured_content == {"result": 3}
    orphan = named(told, "MCP_CALL_END")[-1]
    assert orphan["metadata"]["orphan"]
    assert orphan["mcp_call"]["operation"] == "tools/call"


def test_the_mcp_module_is_not_imported_before_the_application_does(
    tmp_path: Path,
) -> None:
    done = play(
        tmp_path,
        """
        enable()
        run()
        assert "agents.mcp.server" not in sys.modules
        from agents.mcp import MCPServerStdio
        server = MCPServerStdio({"command": "/no/such/program"})
        try:
            asyncio.run(server.connect())
        except FileNotFoundError:
            print("not found")
        """,
    )
    assert done.code == 0, done.error
    assert done.out == "not found\n"
    assert done.kinds()["MCP_CALL_START"] == done.kinds()["MCP_CALL_END"] == 1


def test_a_tool_that_asks_a_server_itself_does_not_fail_with_it() -> None:
    server = Memory()

    @function_tool
    async def ask() -> str:
        await server.connect()
        await server.call_tool("recall", {})
        with pytest.raises(KeyError):
            await server.get_prompt("nothing")
        return "asked"

    async def scenario() -> Any:
        agent: Agent[Any] = assistant(calls(("ask", {})), say("ok"), tools=[ask])
        return await Runner.run(agent, "Hi")

    assert _below(record(scenario).events, "    TOOL") == tree(
        """
        TOOL ask
          MCP initialize
          MCP tools/call
          MCP prompts/get FAILED
            ERROR KeyError
        """
    )
