"""
MCP without a framework: one pair for each call of a client's session, wherever it is.

The servers are real, in processes of their own or behind a port of this machine; only
one that speaks nothing but the old protocol is written here.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import sys
import weakref
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from agents import Runner, function_tool
from agents.mcp import MCPServerStdio, MCPServerStreamableHttp
from mcp import (
    Client,
    ClientSession,
    MCPError,
    StdioServerParameters,
    stdio_client,
)
from mcp.client import session as session_module
from mcp.client.streamable_http import (
    StreamableHTTPTransport,
    streamable_http_client,
)
from mcp.server.mcpserver import Context, MCPServer
from mcp.types import (
    CreateMessageResult,
    ElicitResult,
    PaginatedRequestParams,
    PromptReference,
    SamplingMessage,
    TextContent,
)
from pydantic import BaseModel

import chaukas.sdk
from chaukas.sdk import _runtime
from chaukas.sdk.integrations import mcp_client
from chaukas.sdk.integrations.shared.mcp import recording
from chaukas.sdk.record.pairs import EventPairManager
from chaukas.sdk.record.recorder import Recorder
from chaukas.sdk.record.sessions import SessionBook
from chaukas.sdk.testing import capture_events
from tests.support.agent_runs import calls, outcome_of, record, say
from tests.support.mcp_station import Station, served
from tests.support.scenarios import assistant
from tests.support.trees import named, only, tree, tree_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

ROOT = Path(__file__).parents[2]
SECRET = "hunter2-swordfish"
_METHODS = (
    "initialize",
    "discover",
    "send_discover",
    "list_tools",
    "call_tool",
    "list_prompts",
    "get_prompt",
    "list_resources",
    "list_resource_templates",
    "read_resource",
    "complete",
)
_OLD_SERVER = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    if asked["method"] == "initialize":
        said = {"result": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "serverInfo": {"name": "veteran", "version": "1"},
        }}
    else:
        said = {"error": {"code": -32601, "message": "Method not found"}}
    if "id" in asked:
        print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], **said}), flush=True)
"""


def _program(*options: str) -> StdioServerParameters:
    return StdioServerParameters(
        command=sys.executable,
        args=["-m", "tests.support.mcp_station", *options],
        cwd=str(ROOT),
        env={"STATION_TOKEN": SECRET},
    )


class Hub:
    """A station behind a port, up for all tests here."""

    def __init__(self, stack: ExitStack) -> None:
        self.state = Station()
        self.url = stack.enter_context(served("streamable_http", self.state))

    @asynccontextmanager
    async def session(
        self, transport: str = "streamable_http", **options: Any
    ) -> AsyncIterator[ClientSession]:
        """Yield a session that is not initialized yet."""
        self.state.waiting.clear()
        streams: Any = (
            stdio_client(_program())
            if transport == "stdio"
            else streamable_http_client(self.url)
        )
        async with streams as (read, write), ClientSession(read, write, **options) as s:
            yield s


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with ExitStack() as stack:
        yield Hub(stack)


def _calls_of(events: Any, kind: str = "MCP_CALL_START") -> list[Any]:
    return [event["mcp_call"] for event in named(events, kind)]


# --- trees -----------------------------------------------------------------------


async def _visit(session: ClientSession) -> None:
    """Call every method that is recorded, as an application would."""
    await session.initialize()
    await session.list_tools()
    await session.call_tool("add", {"a": 1, "b": 2})
    await session.call_tool("fail", {"api_key": SECRET})
    await session.list_prompts()
    await session.get_prompt("greet", {"name": "Ann"})
    await session.list_resources()
    await session.list_resource_templates()
    await session.read_resource("notes://today")


@pytest.mark.parametrize("transport", ["stdio", "streamable_http"])
def test_every_call_of_a_session_is_a_pair(hub: Hub, transport: str) -> None:
    async def scenario() -> None:
        async with hub.session(transport) as session:
            await _visit(session)

    recorded = record(scenario)
    assert recorded.error is None
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          MCP initialize
          MCP tools/list
          MCP tools/call
          MCP tools/call FAILED
            ERROR MCPToolError recoverable
          MCP prompts/list
          MCP prompts/get
          MCP resources/list
          MCP resources/templates/list
          MCP resources/read
            DATA_ACCESS station
        """
    )
    _check_contents(recorded.events)
    assert SECRET not in json.dumps(recorded.events)
    # What the other side of plain pipes is nobody tells.
    told = {
        (call.get("server_url"), call.get("metadata", {}).get("transport"))
        for call in _calls_of(recorded.events)
    }
    is_http = transport == "streamable_http"
    assert told == {(hub.url, transport) if is_http else (None, None)}


def _check_contents(events: Any) -> None:
    starts, ends = _calls_of(events), _calls_of(events, "MCP_CALL_END")
    # Who answers is known from the first answer on.
    assert "server_name" not in starts[0]
    assert {end["server_name"] for end in ends} == {"station"}
    assert len({end["protocol_version"] for end in ends}) == 1
    assert all(end["execution_time_ms"] > 0 for end in ends)
    asked = [start.get("request") for start in starts]
    assert asked == [
        None,
        None,
        {"name": "add", "arguments": {"a": 1, "b": 2}},
        {"name": "fail", "arguments": {"api_key": "[REDACTED]"}},
        None,
        {"name": "greet", "arguments": {"name": "Ann"}},
        None,
        None,
        {"uri": "notes://today"},
    ]
    answers = [end.get("response") for end in ends]
    assert answers[0]["server_info"] == {"name": "station", "version": "1.2"}
    tools = ["add", "fail", "wait", "flaky", "die"]
    assert answers[1] == {"tools": tools, "count": 5}
    assert answers[2] == {
        "content": [{"type": "text", "text": "3"}],
        "structured_content": {"result": 3},
    }
    assert answers[4] == {"prompts": ["greet"], "count": 1}
    assert answers[5]["messages"][0]["content"]["text"] == "Say hello to Ann."
    assert answers[6] == {"resources": ["notes://today"], "count": 1}
    assert answers[7] == {"resource_templates": ["notes://{day}"], "count": 1}
    assert answers[8]["contents"][0]["text"] == "sunny"
    assert (ends[3]["is_error"], ends[3]["error_message"]) == (
        True,
        "Error executing tool fail",
    )
    access = only(events, "DATA_ACCESS")["data_access"]
    assert access["document_ids"] == ["notes://today"]
    assert {event["metadata"]["framework"] for event in named(events, "ERROR")} == {
        "mcp_client"
    }


def test_calls_outside_of_a_run_share_the_session_and_the_trace(hub: Hub) -> None:
    async def scenario() -> None:
        async with hub.session() as session:
            with chaukas.sdk.session("chat-42", tenant_id="acme", user_id="ann"):
                await session.initialize()
                await session.list_prompts()
            await session.list_prompts()

    recorded = record(scenario)
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          MCP initialize
          MCP prompts/list
        SESSION
          MCP prompts/list
        """
    )
    first, second, third = named(recorded.events, "MCP_CALL_END")
    assert (first["session_id"], first["tenant_id"]) == ("chat-42", "acme")
    assert first["metadata"]["user_id"] == "ann"
    assert first["trace_id"] == second["trace_id"] != third["trace_id"]
    for end in named(recorded.events, "SESSION_END"):
        assert end["session_end"]["metadata"]["runs"] == 0


def test_a_session_ends_no_sooner_than_the_last_call_in_it(hub: Hub) -> None:
    async def scenario() -> None:
        async with hub.session() as session:
            await session.initialize()
            with chaukas.sdk.session("chat"):
                task = asyncio.ensure_future(session.call_tool("wait", {}))
                await asyncio.to_thread(hub.state.waiting.wait, 10)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    events = record(scenario).events
    kinds = [
        event["type"].removeprefix("EVENT_TYPE_")
        for event in events
        if event.get("session_id") == "chat"
    ]
    assert kinds == ["SESSION_START", "MCP_CALL_START", "MCP_CALL_END", "SESSION_END"]


def test_a_tool_that_opens_a_session_itself_has_its_calls_below_it(hub: Hub) -> None:
    @function_tool
    async def ask() -> str:
        """Ask the station."""
        async with hub.session() as session:
            await session.initialize()
            with pytest.raises(MCPError):
                await session.get_prompt("nothing")
            result = await session.call_tool("add", {"a": 1, "b": 2})
        return json.dumps(result.structured_content)

    async def scenario() -> Any:
        agent = assistant(calls(("ask", {})), say("3"), tools=[ask])
        return (await Runner.run(agent, "Hi")).final_output

    recorded = record(scenario)
    assert recorded.value == "3"
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          AGENT Assistant
            INPUT
            MODEL
            TOOL ask
              MCP initialize
              MCP prompts/get FAILED
                ERROR MCPError
              MCP tools/call
                MCP tools/list
            MODEL
            OUTPUT
        """
    )
    call = named(recorded.events, "MCP_CALL_START")[0]
    assert call["agent_name"] == "Assistant"
    assert call["metadata"]["framework"] == "openai_agents"


def test_a_call_that_another_task_awaits_stands_where_it_was_made(hub: Hub) -> None:
    async def scenario() -> Any:
        asked: asyncio.Queue[Any] = asyncio.Queue()
        wanted: asyncio.Queue[Any] = asyncio.Queue()

        async def own_session() -> None:
            async with hub.session() as session:
                await session.initialize()
                asked.put_nowait(session)
                call, answer = await wanted.get()
                answer.set_result(await call)

        owner = asyncio.create_task(own_session())
        session = await asked.get()

        @function_tool
        async def ask() -> str:
            """Have the owner of the session ask the station."""
            answer = asyncio.get_running_loop().create_future()
            call = session.call_tool("add", {"a": 1, "b": 2})
            wanted.put_nowait((call, answer))
            return json.dumps((await answer).structured_content)

        with chaukas.sdk.session("chat"):
            agent = assistant(calls(("ask", {})), say("3"), tools=[ask])
            answered = await Runner.run(agent, "Hi")
        await owner
        return answered.final_output

    recorded = record(scenario)
    assert recorded.value == "3"
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          MCP initialize
        SESSION
          AGENT Assistant
            INPUT
            MODEL
            TOOL ask
              MCP tools/call
                MCP tools/list
            MODEL
            OUTPUT
        """
    )


def test_a_call_outside_of_a_run_stands_in_the_session_where_it_was_made(
    hub: Hub,
) -> None:
    async def scenario() -> None:
        async with hub.session() as session:
            await session.initialize()
            with chaukas.sdk.session("chat", tenant_id="acme"):
                call = session.call_tool("add", {"a": 1, "b": 2})
            await call

    recorded = record(scenario)
    call = next(
        each
        for each in named(recorded.events, "MCP_CALL_START")
        if each["mcp_call"]["operation"] == "tools/call"
    )
    assert (call["session_id"], call["tenant_id"]) == ("chat", "acme")


def test_an_error_that_leaves_a_tool_is_told_once_where_it_came_from(hub: Hub) -> None:
    @function_tool(failure_error_function=None)
    async def ask() -> str:
        """Ask for a prompt that is not there."""
        async with hub.session() as session:
            await session.initialize()
            await session.get_prompt("nothing")
        return "unreached"

    async def scenario() -> Any:
        agent = assistant(calls(("ask", {})), say("unreached"), tools=[ask])
        return await Runner.run(agent, "Hi")

    recorded = record(scenario)
    assert recorded.error is not None
    errors = named(recorded.events, "ERROR")
    prompt = named(recorded.events, "MCP_CALL_START")[1]
    assert [error["parent_span_id"] for error in errors] == [prompt["span_id"]]


@pytest.mark.parametrize("transport", ["stdio", "streamable_http"])
def test_a_call_of_a_server_of_the_agents_sdk_is_recorded_once(
    hub: Hub, transport: str
) -> None:
    async def scenario(server: Any) -> Any:
        async with server:
            agent = assistant(
                calls(("add", {"a": 1, "b": 2})), say("3"), mcp_servers=[server]
            )
            await Runner.run(agent, "Hi")
            # Not the server's: the session is the application's to use, too.
            await server.session.list_prompts()

    if transport == "stdio":
        program = _program()
        params = {"command": program.command, "args": program.args, "cwd": str(ROOT)}
        server: Any = MCPServerStdio(params, name="mine")  # type: ignore[arg-type]
    else:
        server = MCPServerStreamableHttp({"url": hub.url}, name="mine")
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
            OUTPUT
          MCP prompts/list
          MCP shutdown
        """
    )
    names = [call["server_name"] for call in _calls_of(recorded.events)]
    assert names == ["mine"] * 4 + ["station", "mine"]


def test_a_session_of_the_applications_own_is_recorded_below_a_servers_call(
    hub: Hub,
) -> None:
    async def is_open(_context: Any, _tool: Any) -> bool:
        async with hub.session() as session:
            await session.initialize()
            return bool((await session.list_prompts()).prompts)

    async def scenario() -> Any:
        server = MCPServerStreamableHttp(
            {"url": hub.url},
            tool_filter=is_open,
            client_session_timeout_seconds=3,
            max_retry_attempts=1,
        )
        async with server:
            agent = assistant(
                calls(("flaky", {"how": "hang"})), say("ok"), mcp_servers=[server]
            )
            hub.state.failures = 1
            return (await Runner.run(agent, "Hi")).final_output

    recorded = record(scenario)
    assert recorded.value == "ok"
    listing = """
            MCP tools/list
              MCP initialize
              MCP prompts/list
              MCP initialize
              MCP prompts/list
              MCP initialize
              MCP prompts/list
              MCP initialize
              MCP prompts/list
              MCP initialize
              MCP prompts/list"""
    assert tree_of(recorded.events) == tree(
        f"""
        SESSION
          MCP initialize
          AGENT Assistant
            INPUT{listing}
            MODEL
            TOOL flaky
              MCP tools/call
                RETRY mcp 1/1{listing}
            MODEL
            OUTPUT
          MCP shutdown
        """
    )


def test_calls_of_several_sessions_at_once_do_not_mix(hub: Hub) -> None:
    async def work(number: int) -> list[Any]:
        async with hub.session() as session:
            with chaukas.sdk.session(f"chat-{number}"):
                await session.initialize()
                await session.list_tools()
                return await asyncio.gather(
                    *(session.call_tool("add", {"a": number, "b": n}) for n in range(8))
                )

    async def scenario() -> Any:
        return await asyncio.gather(*(work(number) for number in range(4)))

    recorded = record(scenario)
    assert tree_of(recorded.events) == tree(
        """
        SESSION x4
          MCP initialize
          MCP tools/list
          MCP tools/call x8
        """
    )
    starts = {
        event["span_id"]: event for event in named(recorded.events, "MCP_CALL_START")
    }
    for end in named(recorded.events, "MCP_CALL_END"):
        asked = starts[end["span_id"]]["mcp_call"].get("request")
        if asked is not None:
            total = asked["arguments"]["a"] + asked["arguments"]["b"]
            answer = end["mcp_call"]["response"]["structured_content"]
            assert answer == {"result": total}
            assert end["session_id"] == f"chat-{asked['arguments']['a']}"


# --- clients of the package ------------------------------------------------------


def test_a_client_tells_address_and_transport_without_credentials(hub: Hub) -> None:
    secret = hub.url.replace("://", f"://ann:{SECRET}@") + f"?token={SECRET}"

    async def scenario() -> None:
        for target in (
            secret,
            streamable_http_client(secret),
            stdio_client(_program()),
        ):
            async with Client(target) as client:
                await client.list_prompts()
        async with Client(Station().server) as client:
            await client.list_prompts()

    recorded = record(scenario)
    assert recorded.error is None
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          MCP server/discover
          MCP prompts/list
          MCP server/discover
          MCP prompts/list
          MCP server/discover
          MCP prompts/list
          MCP server/discover
          MCP prompts/list
        """
    )
    assert SECRET not in json.dumps(recorded.events)
    told = [
        (call.get("server_url"), call["metadata"])
        for call in _calls_of(recorded.events)
    ]
    program = Path(sys.executable).name
    assert told == [
        *[(hub.url, {"transport": "streamable_http"})] * 4,
        (None, {"transport": "stdio", "command": program}),
        (None, {"transport": "stdio"}),
        *[(None, {"transport": "in_memory"})] * 2,
    ]
    ends = _calls_of(recorded.events, "MCP_CALL_END")
    assert {end["server_name"] for end in ends} == {"station"}
    assert ends[0]["response"]["server_info"]["name"] == "station"


def test_a_server_that_does_not_know_the_probe_is_no_error() -> None:
    program = StdioServerParameters(command=sys.executable, args=["-c", _OLD_SERVER])

    async def scenario() -> Any:
        async with Client(stdio_client(program)) as client:
            return client.protocol_version

    recorded = record(scenario)
    assert recorded.value == "2025-06-18"
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          MCP server/discover FAILED
          MCP initialize
        """
    )
    probe, greeting = _calls_of(recorded.events, "MCP_CALL_END")
    assert probe["metadata"] == {"error_code": "MCPError", "rpc_code": -32601}
    assert (greeting["server_name"], greeting["protocol_version"]) == (
        "veteran",
        "2025-06-18",
    )


def test_a_probe_that_the_application_asks_for_is_one_call_and_one_error() -> None:
    program = StdioServerParameters(command=sys.executable, args=["-c", _OLD_SERVER])

    async def scenario() -> None:
        async with (
            stdio_client(program) as (read, write),
            ClientSession(read, write) as session,
        ):
            with pytest.raises(MCPError):
                await session.discover()

    assert tree_of(record(scenario).events) == tree(
        """
        SESSION
          MCP server/discover FAILED
            ERROR MCPError
        """
    )


def test_a_completion_that_is_asked_for_is_told() -> None:
    program = StdioServerParameters(command=sys.executable, args=["-c", _OLD_SERVER])

    async def scenario() -> None:
        async with (
            stdio_client(program) as (read, write),
            ClientSession(read, write) as session,
        ):
            prompt = PromptReference(name="greet")
            await session.complete(prompt, {"name": "name", "value": "An"})

    recorded = record(scenario)
    start = only(recorded.events, "MCP_CALL_START")["mcp_call"]
    assert start["operation"] == "completion/complete"
    assert start["request"] == {
        "ref": {"type": "ref/prompt", "name": "greet"},
        "argument": {"name": "name", "value": "An"},
    }
    assert (
        "Method not found" in only(recorded.events, "ERROR")["error"]["error_message"]
    )


def test_a_session_that_is_initialized_again_answers_from_what_it_knows(
    hub: Hub,
) -> None:
    async def scenario() -> None:
        async with hub.session() as session:
            assert await session.initialize() is await session.initialize()

    events = record(scenario).events
    cached = [call.get("cached", False) for call in _calls_of(events)]
    assert cached == [False, True]


def test_the_page_that_is_asked_for_is_told(hub: Hub) -> None:
    async def scenario() -> None:
        async with hub.session() as session:
            await session.initialize()
            await session.list_tools(params=PaginatedRequestParams(cursor="page-2"))
            await session.list_tools(params=None)

    requests = [call.get("request") for call in _calls_of(record(scenario).events)]
    assert requests == [None, {"cursor": "page-2"}, None]


def test_a_server_in_this_process_that_asks_another_has_that_call_below_its_own(
    hub: Hub,
) -> None:
    async def scenario() -> None:
        async with hub.session() as behind:
            server: MCPServer[Any] = MCPServer("relay", log_level="CRITICAL")

            @server.tool()
            async def add(a: int, b: int) -> str:
                """Have two numbers added elsewhere."""
                found = await behind.call_tool("add", {"a": a, "b": b})
                return json.dumps(found.structured_content)

            await behind.initialize()
            await behind.list_tools()
            for mode in ("auto", "legacy"):
                async with Client(server, mode=mode) as client:
                    await client.list_tools()
                    await client.call_tool("add", {"a": 1, "b": 2})

    recorded = record(scenario)
    assert recorded.error is None
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          MCP initialize
          MCP tools/list
          MCP server/discover
          MCP tools/list
          MCP tools/call
            MCP tools/call
          MCP initialize
          MCP tools/list
          MCP tools/call
            MCP tools/call
        """
    )


# A server may still sample, though the protocol is to lose it.
@pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
def test_questions_of_a_server_reach_the_application(hub: Hub) -> None:
    class Colour(BaseModel):
        """What is asked of the user."""

        name: str

    server: MCPServer[Any] = MCPServer("curious", log_level="CRITICAL")

    @server.tool()
    async def paint(ctx: Context[Any, Any]) -> str:
        """Ask the user for a colour, and the client's model for a name of it."""
        colour: Any = await ctx.elicit("Which colour?", Colour)
        asked = TextContent(type="text", text=f"Name {colour.data.name}")
        message = SamplingMessage(role="user", content=asked)
        named = await ctx.session.create_message([message], max_tokens=9)
        return str(getattr(named.content, "text", ""))

    async def answer(_context: Any, params: Any) -> CreateMessageResult:
        agent = assistant(say("sky"), name="Painter")
        text = (await Runner.run(agent, params.messages[0].content.text)).final_output
        async with hub.session() as session:
            await session.initialize()
        said = TextContent(type="text", text=text)
        return CreateMessageResult(role="assistant", content=said, model="mine")

    async def ask_user(_context: Any, _params: Any) -> ElicitResult:
        return ElicitResult(action="accept", content={"name": "blue"})

    async def scenario() -> Any:
        async with Client(
            server,
            mode="legacy",
            sampling_callback=answer,
            elicitation_callback=ask_user,
        ) as client:
            await client.list_tools()
            return (await client.call_tool("paint", {})).content[0].text  # type: ignore[union-attr]

    bare = outcome_of(scenario)
    recorded = record(scenario)
    assert (recorded.value, recorded.error) == bare == ("sky", None)
    assert tree_of(recorded.events) == tree(
        """
        SESSION
          MCP initialize
          MCP tools/list
          MCP tools/call
            AGENT Painter
              MODEL
            MCP initialize
        """
    )


def test_a_class_of_the_applications_own_is_recorded_and_once(hub: Hub) -> None:
    with capture_events() as events:
        # Only now, so that the class is seen as it is made.
        class Careful(ClientSession):
            async def call_tool(self, *args: Any, **kwargs: Any) -> Any:
                return await super().call_tool(*args, **kwargs)

            async def list_prompts(self, **_: Any) -> Any:
                return None

            def __eq__(self, _other: object) -> bool:
                raise AssertionError

            __hash__ = None  # type: ignore[assignment]

        async def scenario() -> None:
            async with (
                streamable_http_client(hub.url) as (read, write),
                Careful(read, write) as session,
            ):
                await session.initialize()
                await session.list_tools()
                await session.call_tool("add", {"a": 1, "b": 2})
                await session.list_prompts()

        asyncio.run(scenario())
    assert tree_of(events()) == tree(
        """
        SESSION
          MCP initialize
          MCP tools/list
          MCP tools/call
          MCP prompts/list
        """
    )


# --- errors ----------------------------------------------------------------------


async def _cancelled(hub: Hub) -> None:
    async with hub.session() as session:
        await session.initialize()
        task = asyncio.ensure_future(session.call_tool("wait", {}))
        await asyncio.to_thread(hub.state.waiting.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await session.list_prompts()


async def _too_slow(hub: Hub) -> None:
    async with hub.session() as session:
        await session.initialize()
        await session.call_tool("wait", {}, read_timeout_seconds=0.2)


async def _refused(hub: Hub) -> None:
    async with hub.session() as session:
        await session.initialize()
        await session.read_resource("nowhere://at/all")


async def _lost(_hub: Hub) -> None:
    async with (
        stdio_client(_program("--mortal")) as (read, write),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        await session.call_tool("die", {})


async def _not_begun(hub: Hub) -> None:
    async with hub.session() as session:
        pass
    await session.list_tools()


async def _badly_called(hub: Hub) -> None:
    async with hub.session() as session:
        await session.call_tool()  # type: ignore[call-overload]


_ENDS: dict[str, tuple[Callable[[Hub], Any], str, dict[str, Any]]] = {
    "cancelled": (
        _cancelled,
        """
        SESSION
          MCP initialize
          MCP tools/call CANCELLED
          MCP prompts/list
        """,
        {},
    ),
    "too slow": (
        _too_slow,
        """
        SESSION
          MCP initialize
          MCP tools/call FAILED
            ERROR MCPError
        """,
        {"error_code": "MCPError", "rpc_code": -32001},
    ),
    "refused": (
        _refused,
        """
        SESSION
          MCP initialize
          MCP resources/read FAILED
            ERROR MCPError
        """,
        {"error_code": "MCPError", "rpc_code": -32602},
    ),
    "lost": (
        _lost,
        """
        SESSION
          MCP initialize
          MCP tools/call FAILED
            ERROR MCPError
        """,
        {"error_code": "MCPError", "rpc_code": -32000},
    ),
    "not begun": (
        _not_begun,
        """
        SESSION
          MCP tools/list FAILED
            ERROR MCPError
        """,
        {"error_code": "MCPError", "rpc_code": -32000},
    ),
    "badly called": (
        _badly_called,
        """
        SESSION
          MCP tools/call FAILED
            ERROR TypeError
        """,
        {"error_code": "TypeError"},
    ),
}


@pytest.mark.parametrize("how", _ENDS)
def test_a_call_that_fails_is_told_and_fails_as_without(hub: Hub, how: str) -> None:
    scenario, expected, facts = _ENDS[how]
    _, bare = outcome_of(lambda: scenario(hub))
    recorded = record(lambda: scenario(hub))
    assert _seen(recorded.error) == _seen(bare)
    assert tree_of(recorded.events) == tree(expected)
    told = [
        end.get("metadata", {}) for end in _calls_of(recorded.events, "MCP_CALL_END")
    ]
    assert [each for each in told if each] == ([facts] if facts else [])


def _seen(error: BaseException | None) -> tuple[Any, ...]:
    """Return what an application can tell of an error; of a group, of those inside."""
    if error is None:
        return ()
    members = tuple(map(_seen, getattr(error, "exceptions", ())))
    causes = type(error.__cause__), type(error.__context__)
    return type(error), str(error), *causes, members


# --- content ---------------------------------------------------------------------


def test_names_are_shown_where_content_is_hidden(hub: Hub) -> None:
    async def scenario() -> None:
        async with hub.session() as session:
            await _visit(session)

    events = record(scenario, capture_content=False).events
    starts, ends = _calls_of(events), _calls_of(events, "MCP_CALL_END")
    assert starts[2]["request"]["name"] == "add"
    assert starts[2]["request"]["arguments"] != {"a": 1, "b": 2}
    assert starts[8]["request"] == {"uri": "notes://today"}
    assert ends[1]["response"]["tools"][0] == "add"
    text = json.dumps(events)
    assert all(word not in text for word in ("Ann", "sunny", "Error executing"))


# --- the host's program ----------------------------------------------------------


def test_results_are_the_same_as_without(hub: Hub) -> None:
    async def scenario() -> Any:
        async with hub.session() as session:
            return [
                await session.initialize(),
                await session.list_tools(),
                await session.call_tool("add", {"a": 1, "b": 2}),
                await session.call_tool("fail", {}),
                await session.read_resource("notes://today"),
            ]

    bare = outcome_of(scenario)
    recorded = record(scenario)
    assert (recorded.value, recorded.error) == bare


def test_methods_look_as_before_while_they_are_recorded() -> None:
    def look() -> list[Any]:
        methods = [getattr(ClientSession, name) for name in _METHODS]
        return [
            (
                inspect.iscoroutinefunction(method),
                inspect.signature(method),
                method.__doc__,
                method.__qualname__,
                method.__module__,
            )
            for method in methods
        ]

    before = look()
    with capture_events():
        during = look()
    assert during == before
    assert all(each[0] for each in during)


def test_originals_come_back_by_identity() -> None:
    def methods() -> list[Any]:
        classes = (Client, ClientSession, StreamableHTTPTransport)
        held = {name: value for each in classes for name, value in vars(each).items()}
        return [held[name] for name in (*_METHODS, "_build_session", "post_writer")]

    before = methods()
    with capture_events():
        during = methods()
    after = methods()
    assert all(new is not old for new, old in zip(during, before, strict=True))
    assert all(new is old for new, old in zip(after, before, strict=True))


def test_a_call_under_way_when_chaukas_is_disabled_goes_on(hub: Hub) -> None:
    async def scenario() -> Any:
        async with hub.session() as session:
            await session.initialize()
            task = asyncio.ensure_future(session.call_tool("wait", {}))
            await asyncio.to_thread(hub.state.waiting.wait, 10)
            chaukas.sdk.disable_chaukas()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return await session.call_tool("add", {"a": 1, "b": 2})

    with capture_events() as events:
        value, error = outcome_of(scenario)
        told = events()
    assert error is None
    assert value.structured_content == {"result": 3}
    orphan = named(told, "MCP_CALL_END")[-1]
    assert orphan["metadata"]["orphan"]
    assert orphan["mcp_call"]["server_name"] == "station"


def _fail(*_args: Any, **_kwargs: Any) -> Any:
    raise RuntimeError("a bug of ours")


_FAULTS: dict[str, tuple[Any, str]] = {
    "capture": (Recorder, "capture"),
    "emit": (Recorder, "emit"),
    "error": (Recorder, "error"),
    "start of a pair": (EventPairManager, "start"),
    "end of a pair": (EventPairManager, "end"),
    "session begin": (SessionBook, "enter"),
    "place": (recording, "node_in_force"),
    "answer": (recording, "is_error"),
    "listing": (recording, "listed"),
    "request": (mcp_client, "request_of"),
    "server": (mcp_client, "attributes_of"),
    "greeting": (mcp_client, "server_told"),
    "client": (mcp_client, "server_behind"),
}


@pytest.mark.parametrize("fault", _FAULTS)
def test_a_fault_of_chaukas_is_not_seen(
    hub: Hub, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> Any:
        async with hub.session() as session:
            await _visit(session)
            with pytest.raises(MCPError):
                await session.get_prompt("nothing")
        async with Client(hub.url) as client:
            return await client.call_tool("add", {"a": 1, "b": 2})

    monkeypatch.delenv("CHAUKAS_RAISE_INTERNAL", raising=False)
    expected = outcome_of(scenario)
    with monkeypatch.context() as patch, capture_events():
        patch.setattr(*_FAULTS[fault], _fail)
        seen = outcome_of(scenario)
        patch.undo()
        runtime = _runtime.active()
        assert runtime is not None
        sessions = list(runtime.sessions._open.values())
        running = [session.running for session in sessions]
        # Of the SESSION pair there is one, unless that is what failed.
        left = runtime.recorder.pairs.open_count - len(sessions)
    assert seen == expected
    assert expected[1] is None
    assert not any(running)
    assert left <= 0


def test_a_session_is_not_kept_alive(hub: Hub) -> None:
    async def scenario() -> Any:
        async with Client(hub.url) as client:
            await client.call_tool("add", {"a": 1, "b": 2})
            return weakref.ref(client.session)

    with capture_events():
        reference = asyncio.run(scenario())
        gc.collect()
        assert reference() is None


# --- sampling --------------------------------------------------------------------


@contextmanager
def _sampling(*answers: bool) -> Iterator[list[bool]]:
    """Have the first traces recorded or not as given, and none after them."""
    left = list(answers)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Recorder, "is_sampled", lambda *_: left.pop(0) if left else False)
        yield left


def test_nothing_is_recorded_of_a_trace_that_is_not_sampled(hub: Hub) -> None:
    async def scenario() -> None:
        async with hub.session() as session:
            await _visit(session)

    events = record(scenario, sample_rate=0.0).events
    assert {event["type"] for event in events} <= {"EVENT_TYPE_SYSTEM"}


def test_what_is_done_for_a_call_that_is_not_sampled_is_not_recorded_either(
    hub: Hub,
) -> None:
    async def of_the_sdk() -> None:
        async with MCPServerStreamableHttp({"url": hub.url}) as server:
            await server.list_tools()

    async def of_a_server_here() -> None:
        async with hub.session() as behind:
            server: MCPServer[Any] = MCPServer("relay", log_level="CRITICAL")

            @server.tool()
            async def greet() -> str:
                """Have a prompt got elsewhere."""
                return str(await behind.get_prompt("greet", {"name": "Ann"}))

            client = Client(server, mode="2026-07-28")
            async with client:
                await client.session.list_tools()
                await client.session.call_tool("greet", {})

    # What is asked for below would be recorded, were it asked about by itself.
    with _sampling(False, False, False, True, True):
        events = record(of_the_sdk).events
    assert {event["type"] for event in events} <= {"EVENT_TYPE_SYSTEM"}
    with _sampling(False, False, True, True):
        events = record(of_a_server_here).events
    assert {event["type"] for event in events} <= {"EVENT_TYPE_SYSTEM"}


# --- loading ---------------------------------------------------------------------


def test_it_can_be_left_out(hub: Hub) -> None:
    async def scenario() -> None:
        async with hub.session() as session:
            await session.initialize()

    events = record(scenario, integrations=["tenacity"]).events
    assert {event["type"] for event in events} <= {"EVENT_TYPE_SYSTEM"}


def test_what_chaukas_knows_of_it_is_told_when_recording_begins() -> None:
    with capture_events() as events:
        pass
    enabled = events()[0]["metadata"]["data"]["integrations"]["mcp_client"]
    assert enabled["versions"].keys() == {"mcp"}
    assert set(enabled["hooks"]) == {"active"}
    assert session_module.ClientSession is ClientSession
