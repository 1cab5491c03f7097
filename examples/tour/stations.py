"""
MCP servers for the tour: one in a process of its own, one over HTTP in this one.

With the `mcp` package's own server, as anybody would write them.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn
from agents.mcp import MCPServerStdio, MCPServerStreamableHttp
from mcp.server import MCPServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

__all__ = ("by_http", "by_stdio", "served_url")

_PROGRAM = """
from mcp.server import MCPServer
server = MCPServer("office", log_level="ERROR")

@server.tool()
def opening_hours(day: str) -> str:
    return f"{day}: closed"

server.run("stdio")
"""


def by_stdio() -> MCPServerStdio:
    """Return a server that is a process of its own."""
    command: Any = {"command": sys.executable, "args": ["-c", _PROGRAM]}
    return MCPServerStdio(command, name="office")


def by_http(url: str, **options: Any) -> MCPServerStreamableHttp:
    """Return the server at a URL."""
    return MCPServerStreamableHttp({"url": url}, name="office", **options)


def _office() -> MCPServer[Any]:
    server: MCPServer[Any] = MCPServer("office", log_level="ERROR")

    @server.tool()
    def opening_hours(day: str) -> str:
        """Tell when the office is open."""
        return f"{day}: closed"

    @server.tool()
    def fire(name: str) -> str:
        """Fire somebody."""
        return f"{name} is fired"

    @server.prompt()
    def greeting(name: str) -> str:
        """Greet somebody."""
        return f"Greet {name}."

    @server.resource("office://address")
    def address() -> str:
        """Tell where the office is."""
        return "1 Main Street"

    return server


class _Server(uvicorn.Server):
    """Leaves the signals of the program alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing."""
        yield


@asynccontextmanager
async def served_url() -> AsyncIterator[str]:
    """Serve the office over HTTP on a free port of this machine; yield its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        app = _office().streamable_http_app()
        server = _Server(uvicorn.Config(app, log_config=None))
        running = asyncio.create_task(server.serve([listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
        finally:
            server.should_exit = True
            await running
