"""`chaukas mcp`: the queries as tools for coding agents, over stdio."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from chaukas.query import Source

from .source import fail, opened, read, source_argument

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ("mcp",)


@click.command()
@source_argument
def mcp(source: tuple[Path | str, ...]) -> None:
    """
    Serve the queries as MCP tools over stdio, for agents that debug agents.

    find_runs, get_tree, get_event, search, numbers, diff, trouble, get_prompt; read
    only, answers bounded. Needs `pip install 'chaukas-sdk[view]'`. For example, in
    the configuration of a coding agent: command `chaukas`, arguments `mcp FILE`.
    """
    try:
        from chaukas.cli.mcp_server import serve
    except ImportError:
        fail("the tools need the mcp package: pip install 'chaukas-sdk[view]'.")
    with opened(source) as found:
        if not isinstance(found, Source):
            read(found)
        serve(found)
