"""
The commands that read a record: lists, sums, search, one run, two runs, exports.

They parse arguments and print what `chaukas.query` answers.
"""

from .export import export
from .label import label
from .lists import runs, search, sessions, stats
from .mcp import mcp
from .run import diff, show, show_run
from .summary import summary
from .tail import tail
from .view import view

__all__ = (
    "COMMANDS",
    "diff",
    "export",
    "label",
    "mcp",
    "runs",
    "search",
    "sessions",
    "show",
    "show_run",
    "stats",
    "summary",
    "tail",
    "view",
)

COMMANDS = (
    view, summary, runs, sessions, show, tail, search, stats, diff, export, label, mcp
)  # fmt: skip
"""To be added to the command `chaukas`."""
