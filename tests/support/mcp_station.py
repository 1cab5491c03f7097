"""
A small real MCP server, over stdio, SSE or streamable HTTP.

    python -m tests.support.mcp_station

speaks stdio; `served` has both HTTP transports on a free port of this machine.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn
from mcp import MCPError
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from starlette.applications import Starlette

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("Station", "served", "station")

_DEADLINE_S = 10.0


class Station:
    """
    What a server does, and what it knows of its callers.

    Args:
        can_die: The tool `die` ends the process.
    """

    def __init__(self, *, can_die: bool = False) -> None:
        self.waiting = threading.Event()
        """Set when the tool `wait` has begun."""
        self.failures = 0
        """How often the tool `flaky` will still fail."""
        self.metas: list[Any] = []
        """Metadata of the calls of the tool `add`."""
        self.can_die = can_die
        self.server = station(self)


def station(state: Station) -> MCPServer[Any]:
    """Return a server with tools, a prompt, a resource and a template of resources."""
    server: MCPServer[Any] = MCPServer("station", version="1.2")

    @server.tool()
    def add(a: int, b: int, ctx: Context[Any, Any]) -> int:
        """Add two numbers."""
        state.metas.append(ctx.request_context.meta)
        return a + b

    @server.tool()
    def fail(api_key: str = "") -> str:
        """Fail."""
        del api_key
        message = "the station is closed"
        raise ValueError(message)

    @server.tool()
    async def wait() -> str:
        """Never return."""
        state.waiting.set()
        await asyncio.Event().wait()
        return "never"

    @server.tool()
    async def flaky(how: str) -> str:
        """Be busy, or hang, a number of times."""
        if state.failures:
            state.failures -= 1
            if how == "hang":
                await asyncio.Event().wait()
            raise MCPError(code=-32099, message="the station is busy")
        return "ok"

    @server.tool()
    def die() -> str:
        """End the server in the middle of a call."""
        if state.can_die:
            os._exit(1)
        return "alive"

    @server.prompt()
    def greet(name: str) -> str:
        """Greet someone."""
        return f"Say hello to {name}."

    @server.resource("notes://today")
    def today() -> str:
        """Tell of today."""
        return "sunny"

    @server.resource("notes://{day}")
    def note(day: str) -> str:
        """Tell of any day."""
        return f"{day}: rain"

    return server


class _Uvicorn(uvicorn.Server):
    """Serves from a thread, where signals cannot be handled."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextmanager
def served(transport: str, state: Station | None = None) -> Iterator[str]:
    """
    Serve a station over *transport*, `sse` or `streamable_http`.

    Yields:
        Its URL.
    """
    server = (state or Station()).server
    app: Starlette
    if transport == "sse":
        app, path = server.sse_app(), "/sse"
    else:
        app, path = server.streamable_http_app(), "/mcp"
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, log_config=None, timeout_graceful_shutdown=1, lifespan="on"
    )
    running = _Uvicorn(config)
    thread = threading.Thread(target=running.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}{path}"
    finally:
        running.should_exit = True
        thread.join(_DEADLINE_S)
        listener.close()


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    Station(can_die="--mortal" in sys.argv).server.run("stdio")
