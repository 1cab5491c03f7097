"""
Renders events as a tree of lines for a terminal.

Pure: events in, lines out. Whatever text a model, a tool or a user put into an
event is shown without a chance to steer the terminal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .line import line_of
from .nesting import Node, nested
from .totals import totals_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ("render", "render_run")

_INDENTED = 32
"""Levels that are indented; below them a line says how deep it is."""


def render(
    events: Iterable[Mapping[str, Any]],
    *,
    are_gone: bool = False,
    is_full: bool = False,
) -> list[str]:
    """
    Return the lines of the tree: processes, sessions, and below what happened.

    START and END of a span become one line, children stand below the span that
    `parent_span_id` names, in the order of their times; see `nested`.

    Args:
        events: As recorded, in any order.
        are_gone: Whether all processes are known to be gone: what has no end is cut.
        is_full: Whether each line says when it was, to the millisecond, and what a
            model or a tool answered.
    """
    lines: list[str] = []
    for top in nested(events, are_gone=are_gone):
        lines.append(_line(top, 0, is_full=is_full))
        lines += _below(top, is_full=is_full)
    return lines


def render_run(
    head: str,
    events: Iterable[Mapping[str, Any]],
    *,
    is_gone: bool,
    is_full: bool = False,
) -> list[str]:
    """
    Return the lines of one run, below a line about it; otherwise as `render`.

    Args:
        head: That line.
        events: Those of the run; of its session nothing is shown.
        is_gone: Whether its process is known to be gone: what has no end is cut.
        is_full: As of `render`.
    """
    run = Node("RUN", paired=False)
    own = (event for event in events if event.get("type") not in _OF_SESSIONS)
    for top in nested(own, are_gone=is_gone):
        run.children += top.children if top.base in _TOPS else [top]
    return [head, *_below(run, is_full=is_full)]


_OF_SESSIONS = frozenset({"EVENT_TYPE_SESSION_START", "EVENT_TYPE_SESSION_END"})
_TOPS = frozenset({"SESSION", "PROCESS"})


def _below(top: Node, *, is_full: bool) -> list[str]:
    """Return the lines of all below a top; no recursion."""
    lines: list[str] = []
    waiting = _children(top, "", 0)
    while waiting:
        node, before, indent, level = waiting.pop()
        lines.append(before + _line(node, level, is_full=is_full))
        waiting += _children(node, indent, level)
    return lines


def _children(node: Node, indent: str, level: int) -> list[tuple[Node, str, str, int]]:
    """Return children, the last first, with what stands before them and theirs."""
    found = []
    last = len(node.children) - 1
    for index in range(last, -1, -1):
        child = node.children[index]
        branch, trunk = ("└─ ", "   ") if index == last else ("├─ ", "│  ")
        if level < _INDENTED:
            found.append((child, indent + branch, indent + trunk, level + 1))
        else:
            deep = f"{indent}(level {level + 1}) "
            found.append((child, deep, indent, level + 1))
    return found


def _line(node: Node, level: int, *, is_full: bool) -> str:
    is_session = node.base == "SESSION"
    return line_of(
        node.base,
        node.start,
        node.end,
        paired=node.paired,
        is_cut=node.is_cut,
        is_continued=node.is_continued or (is_session and node.start is None),
        is_run=node.run is not None,
        is_top=not level and bool(node.children),
        is_full=is_full,
        totals=totals_of(node) if is_session and not level else None,
    )
