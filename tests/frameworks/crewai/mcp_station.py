"""An MCP server with a tool that works and one that does not, over standard streams."""

from __future__ import annotations

from mcp.server.fastmcp import FastMCP

__all__: tuple[str, ...] = ()

_server = FastMCP("station")


@_server.tool()
def weather(city: str) -> str:
    """Tell the weather in a city."""
    return f"sunny in {city}"


@_server.tool()
def radar(city: str) -> str:
    """Show the clouds over a city."""
    raise LookupError("out of order")


if __name__ == "__main__":
    _server.run()
