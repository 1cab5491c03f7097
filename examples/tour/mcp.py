"""MCP: servers in processes and over HTTP, many at once, and those of the provider."""

from __future__ import annotations

from agents import HostedMCPTool, Runner
from agents.mcp import MCPServerManager, MCPServerStdio, create_static_tool_filter

from loopback import Hosted

from .scripted import bot, calls, responses, say, served
from .stations import by_http, by_stdio, served_url
from .stops import section

__all__ = ()

TABLE = "MCP (Model Context Protocol)"
ASKED = calls(("opening_hours", {"day": "Sunday"}))

CALLED = {
    "type": "mcp_call",
    "id": "mcp_1",
    "server_label": "wiki",
    "name": "ask",
    "arguments": '{"question": "why?"}',
    "output": "because",
    "status": "completed",
}


@section(TABLE, "MCP server support", shows="MCP_CALL_START.mcp_call")
async def server() -> None:
    async with by_stdio() as office:
        agent = bot(ASKED, say("Closed"), mcp_servers=[office])
        await Runner.run(agent, "Open on Sunday?")


@section(
    TABLE,
    "MCP manager",
    shows="ERROR.error.error_message",
    note="the run continues without the server that cannot be started",
)
async def manager() -> None:
    broken = MCPServerStdio({"command": "/no/such/program"}, name="broken")
    async with (
        served_url() as url,
        MCPServerManager([broken, by_http(url)], connect_in_parallel=False) as managed,
    ):
        agent = bot(ASKED, say("Closed"), mcp_servers=managed.active_servers)
        await Runner.run(agent, "Open on Sunday?")


@section(TABLE, "MCP utilities", shows="DATA_ACCESS.data_access")
async def utilities() -> None:
    allowed = create_static_tool_filter(blocked_tool_names=["fire"])
    async with (
        served_url() as url,
        by_http(url, tool_filter=allowed, cache_tools_list=True) as office,
    ):
        await office.list_prompts()
        await office.get_prompt("greeting", {"name": "Ada"})
        await office.list_resources()
        await office.read_resource("office://address")
        await Runner.run(bot(say("Hello"), mcp_servers=[office]), "Hi")


@section(TABLE, "Hosted MCP", shows="MCP_CALL_START.mcp_call")
async def hosted() -> None:
    tool = HostedMCPTool(
        {
            "type": "mcp",
            "server_label": "wiki",
            "server_url": "https://wiki.example/mcp",
            "require_approval": "never",
        }
    )
    async with served(Hosted([CALLED], "Because.")) as client:
        await Runner.run(bot(model=responses(client), tools=[tool]), "Why?")
