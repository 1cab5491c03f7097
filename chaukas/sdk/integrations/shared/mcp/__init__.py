"""Calls of MCP servers: read their requests and answers, and record them as pairs."""

__all__ = ()
