"""
MCP without any agent framework: an `mcp.ClientSession` over stdio, and in memory.

    python examples/mcp_client.py

Nothing here names chaukas but the line that enables it. Each request is an MCP pair:
what was asked, what came back, how long it took; a tool that fails has its ERROR, a
resource that is read its DATA_ACCESS. A server in the same process may call another
one itself: that call stands below the one that it was made for.
"""

from __future__ import annotations

import asyncio
import sys

from mcp import Client, ClientSession, StdioServerParameters, stdio_client
from mcp.server import MCPServer

import chaukas
from recorded import fresh, show_tree

FILE = "mcp_client.jsonl"
STOCK = {"lamp": 3, "chair": 0}


def warehouse() -> MCPServer:
    """Return a server that knows what is in stock."""
    server = MCPServer("warehouse", log_level="CRITICAL")

    @server.tool()
    def in_stock(article: str) -> int:
        """Tell how many pieces of an article there are."""
        return STOCK[article]

    @server.resource("stock://articles")
    def articles() -> str:
        """Name all articles."""
        return ", ".join(STOCK)

    return server


def shop(behind: ClientSession) -> MCPServer:
    """Return a server whose tool asks the one behind it."""
    server = MCPServer("shop", log_level="CRITICAL")

    @server.tool()
    async def can_order(article: str) -> bool:
        """Tell whether an article can be ordered."""
        found = await behind.call_tool("in_stock", {"article": article})
        return bool(found.structured_content != {"result": 0})

    return server


async def visit() -> None:
    # The same file again, as the process of the server.
    program = StdioServerParameters(command=sys.executable, args=[__file__, "serve"])
    async with (
        stdio_client(program) as (read, write),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        listing = await session.list_tools()
        print("tools:", *(tool.name for tool in listing.tools))
        await session.read_resource("stock://articles")
        found = await session.call_tool("in_stock", {"article": "lamp"})
        print("lamps:", (found.structured_content or {})["result"])
        missing = await session.call_tool("in_stock", {"article": "sofa"})
        print("sofas:", "not known" if missing.is_error else "known")
        async with Client(shop(session)) as client:
            answer = await client.call_tool("can_order", {"article": "chair"})
            print("a chair:", answer.structured_content)


def main() -> None:
    chaukas.enable_chaukas(output_file=fresh(FILE))
    asyncio.run(visit())
    chaukas.disable_chaukas()
    show_tree(FILE)


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        warehouse().run("stdio")
    else:
        main()
