"""
A run as a tree of spans: pairs joined, sums over what is below, the critical path.

Pure, and linear in the number of events: files come from anywhere, and may hold a
chain of spans as long as they are, or a circle.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from .answers import Span, Tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from chaukas.store.answers import EventRow, RunRow

__all__ = ("Node", "nodes_of", "tree_of")

_PAIRED: Final = frozenset({"agent", "model", "tool", "mcp"})
_ATTEMPT: Final = re.compile(r"attempt (\d+)")
_TEXT_CHARS: Final = 200


# Compared by identity: they hold each other.
@dataclass(slots=True, eq=False)
class Node:
    """A pair or a single event, with what stands below it."""

    kind: str
    start: EventRow | None = None
    end: EventRow | None = None
    children: list[Node] = field(default_factory=list)
    parent: Node | None = None
    depth: int = 0
    retries: int = 0
    wait_ms: float = 0.0
    errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    is_critical: bool = False

    @property
    def row(self) -> EventRow:
        """The earlier event that is there."""
        row = self.start or self.end
        assert row is not None  # noqa: S101 - a node is made of an event
        return row

    @property
    def end_us(self) -> int | None:
        """When it ended; of a single event when it happened."""
        if self.end is not None:
            return self.end.at_us
        return None if self.kind in _PAIRED else self.row.at_us

    @property
    def order(self) -> tuple[int, int]:
        """Its place among siblings."""
        return self.row.at_us, self.row.number


def tree_of(run: RunRow, rows: Sequence[EventRow], limit: int) -> Tree:
    """
    Return a run as a tree.

    Args:
        run: The run.
        rows: Its events, in any order.
        limit: Most spans.
    """
    order = nodes_of(rows)
    _mark_critical([node for node in order if node.parent is None])
    places = {id(node): index for index, node in enumerate(order)}
    spans = tuple(
        _span(node, index, places, run) for index, node in enumerate(order[:limit])
    )
    return Tree(run, spans, len(order) > limit, len(order))


def nodes_of(rows: Iterable[EventRow]) -> list[Node]:
    """Return all nodes depth first, siblings by time, with sums over what is below."""
    nodes = _paired(rows)
    tops = _hang(nodes)
    order: list[Node] = []
    waiting = sorted(tops, key=lambda node: node.order, reverse=True)
    while waiting:
        node = waiting.pop()
        node.depth = node.parent.depth + 1 if node.parent else 0
        order.append(node)
        node.children.sort(key=lambda child: child.order)
        waiting += reversed(node.children)
    for node in reversed(order):
        _add_up(node)
    return order


def _paired(rows: Iterable[EventRow]) -> list[Node]:
    nodes: list[Node] = []
    pairs: dict[tuple[str, str], Node] = {}
    for row in rows:
        if row.kind == "session":
            # It is above the run, and its two events carry the trace of the first.
            continue
        is_end = row.type.endswith("_END")
        if row.kind not in _PAIRED:
            nodes.append(Node(row.kind, row))
            continue
        key = (row.kind, row.span_id)
        node = pairs.get(key)
        # A span that is begun twice is two spans with one name.
        if node is None or (node.end if is_end else node.start) is not None:
            node = Node(row.kind)
            nodes.append(node)
            pairs[key] = node
        if is_end:
            node.end = row
        else:
            node.start = row
    return nodes


def _hang(nodes: list[Node]) -> list[Node]:
    """Put every node below its parent; return those that have none here."""
    # A single event may stand for a span of another program's, and be above others.
    pairs = [node for node in nodes if node.kind in _PAIRED]
    points = [node for node in nodes if node.kind not in _PAIRED]
    # What comes later in this order counts.
    order = [*reversed(points), *reversed(pairs)]
    spans = {node.row.span_id: node for node in order if node.row.span_id}
    tops = []
    for node in nodes:
        parent = spans.get(node.row.parent_span_id)
        if parent is None or parent is node or _is_below(parent, node):
            tops.append(node)
        else:
            node.parent = parent
            parent.children.append(node)
    return tops


def _is_below(node: Node, other: Node) -> bool:
    """Return whether a node is below another one: then it cannot be above it."""
    if not other.children:
        return False
    seen: Node | None = node
    while seen is not None:
        if seen is other:
            return True
        seen = seen.parent
    return False


def _add_up(node: Node) -> None:
    row = node.end or node.row
    if node.kind == "model":
        node.input_tokens += row.input_tokens or 0
        node.output_tokens += row.output_tokens or 0
        node.cost_usd += row.cost_usd or 0.0
    elif node.kind == "retry":
        node.retries += 1
        node.wait_ms += row.wait_ms or 0.0
    elif node.kind == "error":
        node.errors += 1
    above = node.parent
    if above is not None:
        above.input_tokens += node.input_tokens
        above.output_tokens += node.output_tokens
        above.cost_usd += node.cost_usd
        above.retries += node.retries
        above.wait_ms += node.wait_ms
        above.errors += node.errors


def _mark_critical(tops: list[Node]) -> None:
    """
    Mark what the end of the run waited for.

    From the end backwards: of what had ended by then, the last to end; then what
    had ended before that one began; and the same inside of each.
    """
    last = [*tops, *_through(tops)]
    waiting = [(tops, max((node.end_us or 0 for node in last), default=0))]
    while waiting:
        siblings, until_us = waiting.pop()
        paired = [node for node in _through(siblings) if node.kind in _PAIRED]
        paired.sort(key=lambda node: (node.end_us or until_us, node.order))
        for node in reversed(paired):
            end_us = node.end_us or until_us
            if end_us <= until_us:
                node.is_critical = True
                until_us = node.row.at_us
                waiting.append((node.children, end_us))


def _through(siblings: list[Node]) -> Iterator[Node]:
    """Yield nodes, and in place of single events what stands below them."""
    waiting = list(siblings)
    while waiting:
        node = waiting.pop()
        if node.kind in _PAIRED:
            yield node
        else:
            waiting += node.children


def _span(node: Node, index: int, places: dict[int, int], run: RunRow) -> Span:
    row, last = node.row, node.end or node.row
    is_model = node.kind == "model"
    attempt = _ATTEMPT.search(row.text) if node.kind == "retry" else None
    ids = [one.event_id for one in (node.start, node.end) if one]
    return Span(
        index=index,
        parent=places[id(node.parent)] if node.parent else None,
        depth=node.depth,
        span_id=row.span_id,
        kind=node.kind,
        name=row.name or last.name,
        agent=row.agent,
        text=_text(node),
        status=_status(node, run),
        start_us=row.at_us,
        end_us=node.end_us,
        duration_ms=_duration(node),
        first_token_ms=last.first_token_ms,
        retries=node.retries,
        wait_ms=node.wait_ms,
        attempt=int(attempt[1]) if attempt else None,
        input_tokens=(last.input_tokens or 0) if is_model else 0,
        output_tokens=(last.output_tokens or 0) if is_model else 0,
        cached_tokens=(last.cached_tokens or 0) if is_model else 0,
        cost_usd=last.cost_usd if is_model else None,
        total_input_tokens=node.input_tokens,
        total_output_tokens=node.output_tokens,
        total_cost_usd=node.cost_usd,
        errors=node.errors,
        is_critical=node.is_critical,
        event_ids=tuple(ids),
    )


def _text(node: Node) -> str:
    begun = node.start.text if node.start else ""
    ended = node.end.text if node.end else ""
    if node.kind == "tool" and begun and ended:
        text = f"{begun} → {ended}"
    else:
        text = ended or begun
    return text if len(text) <= _TEXT_CHARS else text[: _TEXT_CHARS - 1] + "…"


def _duration(node: Node) -> float | None:
    if node.kind not in _PAIRED or node.end is None:
        return None
    if node.end.duration_ms is not None or node.start is None:
        return node.end.duration_ms
    return (node.end.at_us - node.start.at_us) / 1000


def _status(node: Node, run: RunRow) -> str:
    if node.kind not in _PAIRED:
        return "failed" if node.row.status == "failed" else "point"
    if node.end is None:
        return "open" if run.status == "open" else "died"
    if node.end.outcome == "waiting":
        return "waiting"
    return node.end.status or "completed"
