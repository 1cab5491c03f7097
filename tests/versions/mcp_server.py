"""
A real MCP server over stdio, for the first and the second generation of `mcp`.

It runs in a process of its own, with the environment's Python.
"""

from __future__ import annotations

import logging
from typing import Any

__all__ = ("main",)


def main() -> None:
    """Serve one tool until the client leaves."""
    logging.disable(logging.CRITICAL)
    try:
        from mcp.server import MCPServer
    except ImportError:
        from mcp.server.fastmcp import FastMCP as MCPServer
    server: Any = MCPServer("station")

    @server.tool()
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    server.run("stdio")


if __name__ == "__main__":
    main()
