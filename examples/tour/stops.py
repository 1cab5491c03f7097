"""
The stops of the tour: what a section is, and all of them in their order.

A registry, so that a section stands where its feature is and nowhere else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib import import_module

__all__ = ("MODULES", "STOPS", "Stop", "load", "section")

Play = Callable[[], Awaitable[None] | None]

MODULES = (
    "core",
    "tools",
    "handoffs",
    "guardrails",
    "running",
    "streaming",
    "sessions",
    "providers",
    "tracing",
    "mcp",
    "voice",
    "realtime",
    "extensions",
    "errors",
    "usage",
    "documentation",
    "hosted",
)
"""The modules of the tour, in its order."""


@dataclass(frozen=True)
class Stop:
    """
    One row of a table of features, and the section that plays it.

    Args:
        table: The table.
        row: The feature, as the table calls it.
        play: The section: plain if it must not run inside an event loop.
        shows: Where the record tells of the feature: a type of events, then names of
            members, with dots between; "" if the tree of events says it all.
        note: What a reader of the events should know.
    """

    table: str
    row: str
    play: Play
    shows: str
    note: str

    @property
    def session_id(self) -> str:
        """The session that the section is played in."""
        return f"{self.table} / {self.row}"


STOPS: list[Stop] = []
"""All stops, after `load`."""


def section(
    table: str, row: str, *, shows: str = "", note: str = ""
) -> Callable[[Play], Play]:
    """Mark a function as the section of a row; see `Stop`."""

    def mark(play: Play) -> Play:
        STOPS.append(Stop(table, row, play, shows, note))
        return play

    return mark


def load() -> list[str]:
    """
    Import all modules of the tour.

    Returns:
        One line for each module that cannot be played here, and why: the package
        that its feature needs is not installed.
    """
    return [line for name in MODULES if (line := _missing(name))]


def _missing(name: str) -> str:
    try:
        import_module(f"{__package__}.{name}")
    except ImportError as error:
        return f"{name}.py: {error}"
    return ""
