"""
Events as a tree that a person reads in a terminal.

Pure: events in, lines out. Whatever text a model, a tool or a user put into an
event is shown without a chance to steer the terminal.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ._line import line_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ("render",)

Event = dict[str, Any]


@dataclass(slots=True)
class _Node:
    """One line of the tree: a pair, or an event on its own."""

    base: str
    """The type without prefix, and without _START and _END."""
    paired: bool
    session: str
    span: str
    parent: str
    start: Event | None = None
    end: Event | None = None
    children: list[_Node] = field(default_factory=list)

    @property
    def order(self) -> str:
        """Time of the earlier event."""
        event = self.start or self.end or {}
        return _text(event.get("timestamp"))


def render(events: Iterable[Mapping[str, Any]]) -> list[str]:
    """
    Return the lines of the tree: sessions, and below them what happened.

    START and END of a span become one line, children stand below the span that
    `parent_span_id` names and in the order of their times. An event whose
    parent is not among the events stands right below its session.
    """
    nodes = _nodes(events)
    lines: list[str] = []
    for root in _grow(nodes):
        lines += _lines(root)
    return lines


def _nodes(events: Iterable[Mapping[str, Any]]) -> list[_Node]:
    """Return a node for each pair and each single event, in order of the file."""
    nodes: list[_Node] = []
    pairs: dict[tuple[str, str], _Node] = {}
    for event in events:
        name = _text(event.get("type")).removeprefix("EVENT_TYPE_")
        is_end = name.endswith("_END")
        base = name.removesuffix("_START").removesuffix("_END")
        key = (base, _text(event.get("span_id")))
        node = pairs.get(key) if base != name and key[1] else None
        # A span that is begun twice is two spans with one name.
        if node is None or (node.end if is_end else node.start) is not None:
            node = _node_of(event, base, paired=base != name)
            nodes.append(node)
            if node.paired:
                pairs[key] = node
        if is_end:
            node.end = dict(event)
        else:
            node.start = dict(event)
    return nodes


def _node_of(event: Mapping[str, Any], base: str, *, paired: bool) -> _Node:
    return _Node(
        base=base,
        paired=paired,
        session=_text(event.get("session_id")),
        span=_text(event.get("span_id")),
        parent=_text(event.get("parent_span_id")),
    )


def _grow(nodes: list[_Node]) -> list[_Node]:
    """Hang every node below its parent; return those that stand at the top."""
    spans = {node.span: node for node in reversed(nodes) if node.paired and node.span}
    sessions: defaultdict[str, list[_Node]] = defaultdict(list)
    loose: list[_Node] = []
    for node in nodes:
        parent = spans.get(node.parent)
        if node.base == "SESSION":
            sessions[node.session].append(node)
        elif parent is None or _is_below(parent, node, spans):
            loose.append(node)
        else:
            parent.children.append(node)
    for node in loose:
        if node.session and node.session not in sessions:
            sessions[node.session] = [_untold_session(node)]
        if node.session:
            sessions[node.session][0].children.append(node)
    tops = [node for group in sessions.values() for node in group]
    tops += [node for node in loose if not node.session]
    for node in [*nodes, *tops]:
        node.children.sort(key=lambda child: child.order)
    return sorted(tops, key=lambda top: top.order)


def _untold_session(first: _Node) -> _Node:
    """Return a top for a session whose own events are not in the file."""
    root = _Node("SESSION", paired=False, session=first.session, span="", parent="")
    root.start = {"timestamp": first.order, "session_id": first.session}
    return root


def _is_below(node: _Node | None, top: _Node, spans: Mapping[str, _Node]) -> bool:
    """Return whether `node` is `top` or hangs below it: a damaged file's circle."""
    seen: set[int] = set()
    while node is not None and id(node) not in seen:
        if node is top:
            return True
        seen.add(id(node))
        node = spans.get(node.parent)
    return False


def _lines(root: _Node) -> list[str]:
    """Return the lines of one top and of all below it; no recursion."""
    lines: list[str] = []
    waiting: list[tuple[_Node, str, str]] = [(root, "", "")]
    while waiting:
        node, before, indent = waiting.pop()
        lines.append(before + _line(node))
        last = len(node.children) - 1
        for index in range(last, -1, -1):
            branch, trunk = ("└─ ", "   ") if index == last else ("├─ ", "│  ")
            waiting.append((node.children[index], indent + branch, indent + trunk))
    return lines


def _line(node: _Node) -> str:
    return line_of(node.base, node.start, node.end, paired=node.paired)


def _text(value: object) -> str:
    return value if type(value) is str else ""
