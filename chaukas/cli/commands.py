"""
The commands: their names, and where each of them is.

A call of one loads no other.
"""

from __future__ import annotations

from importlib import import_module

import click

from chaukas.sdk._version import VERSION

__all__ = ("main",)

_COMMANDS = {
    "collector": "chaukas.cli.collector:collector",
    "doctor": "chaukas.cli.doctor:doctor",
    "spool": "chaukas.cli.spool:spool",
    "view": "chaukas.cli.ask.view:view",
    "summary": "chaukas.cli.ask.summary:summary",
    "runs": "chaukas.cli.ask.lists:runs",
    "sessions": "chaukas.cli.ask.lists:sessions",
    "search": "chaukas.cli.ask.lists:search",
    "stats": "chaukas.cli.ask.lists:stats",
    "tree": "chaukas.cli.ask.tree:tree",
    "verify": "chaukas.cli.ask.verify:verify",
    "show": "chaukas.cli.ask.run:show",
    "diff": "chaukas.cli.ask.run:diff",
    "tail": "chaukas.cli.ask.tail:tail",
    "label": "chaukas.cli.ask.label:label",
    "export": "chaukas.cli.ask.export:export",
    "mcp": "chaukas.cli.ask.mcp:mcp",
}


class _Commands(click.Group):
    """The commands, each loaded when it is called for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted({*super().list_commands(ctx), *_COMMANDS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, loaded now."""
        place = _COMMANDS.get(cmd_name)
        if place is None:
            return super().get_command(ctx, cmd_name)
        module, _, name = place.partition(":")
        command = getattr(import_module(module), name)
        return command if isinstance(command, click.Command) else None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="chaukas")
def main() -> None:
    """Inspect what chaukas recorded, and manage its delivery."""
