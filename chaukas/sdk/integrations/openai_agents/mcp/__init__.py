"""MCP servers as the Agents SDK uses them."""

__all__ = ()
