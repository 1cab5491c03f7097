"""
Renders events as a tree of lines for a terminal.

Pure: events in, lines out. Whatever text a model, a tool or a user put into an
event is shown without a chance to steer the terminal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .line import line_of
from .nesting import nested
from .totals import totals_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .nesting import Node

__all__ = ("render",)

_INDENTED = 32
"""Levels that are indented; below them a line says how deep it is."""


def render(events: Iterable[Mapping[str, Any]]) -> list[str]:
    """
    Return the lines of the tree: processes, sessions, and below what happened.

    START and END of a span become one line, children stand below the span that
    `parent_span_id` names, in the order of their times; see `nested`.
    """
    lines: list[str] = []
    for top in nested(events):
        lines += _lines(top)
    return lines


def _lines(top: Node) -> list[str]:
    """Return the lines of one top and of all below it; no recursion."""
    lines: list[str] = []
    waiting: list[tuple[Node, str, str, int]] = [(top, "", "", 0)]
    while waiting:
        node, before, indent, level = waiting.pop()
        lines.append(before + _line(node, level))
        last = len(node.children) - 1
        for index in range(last, -1, -1):
            child = node.children[index]
            branch, trunk = ("└─ ", "   ") if index == last else ("├─ ", "│  ")
            if level < _INDENTED:
                waiting.append((child, indent + branch, indent + trunk, level + 1))
            else:
                deep = f"{indent}(level {level + 1}) "
                waiting.append((child, deep, indent, level + 1))
    return lines


def _line(node: Node, level: int) -> str:
    is_session = node.base == "SESSION"
    return line_of(
        node.base,
        node.start,
        node.end,
        paired=node.paired,
        is_cut=node.is_cut,
        is_continued=node.is_continued or (is_session and node.start is None),
        is_run=node.run is not None,
        totals=totals_of(node) if is_session and not level else None,
    )
