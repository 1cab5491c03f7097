"""
Two runs beside each other: their trees aligned, their texts compared.

Siblings are matched by what they are (kind and name) in their order; ids, which
differ in any two runs, are left out of the comparison of texts.
"""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any, Final

from .answers import Diff, DiffRow, TextDiff
from .tree import nodes_of, tree_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chaukas.store.answers import EventRow, RunRow

    from .answers import Change, Span
    from .tree import Node

__all__ = ("diff_of",)

_LINES: Final = 200
_LINE_CHARS: Final = 2000
_TEXT_LINES: Final = 5000
_IDS: Final = frozenset({"id", "call_id", "tool_call_id", "response_id", "status"})

Pair = tuple["Node | None", "Node | None"]


def diff_of(
    left: tuple[RunRow, Sequence[EventRow]],
    right: tuple[RunRow, Sequence[EventRow]],
    limit: int,
) -> Diff:
    """
    Return two runs laid beside each other.

    Args:
        left: A run and its whole events.
        right: Another.
        limit: Most rows.
    """
    nodes = [nodes_of(rows) for _, rows in (left, right)]
    spans = [_spans(*side) for side in (left, right)]
    counts = {"same": 0, "added": 0, "missing": 0, "changed": 0}
    rows: list[DiffRow] = []
    for first, second in _aligned(*nodes):
        row = _row(first, second, spans)
        counts[row.change] += 1
        if len(rows) < limit:
            rows.append(row)
    total = sum(counts.values())
    return Diff(left[0], right[0], tuple(rows), is_cut=total > len(rows), **counts)


def _spans(run: RunRow, rows: Sequence[EventRow]) -> dict[tuple[str, ...], Span]:
    tree = tree_of(run, rows, len(rows))
    return {span.event_ids: span for span in tree.spans}


def _aligned(left: list[Node], right: list[Node]) -> Iterator[Pair]:
    """Yield the pairs depth first; a node without a partner stands alone."""
    waiting = _matched(
        [node for node in left if node.parent is None],
        [node for node in right if node.parent is None],
    )[::-1]
    while waiting:
        first, second = waiting.pop()
        yield first, second
        waiting += _matched(
            first.children if first else [], second.children if second else []
        )[::-1]


def _matched(left: list[Node], right: list[Node]) -> list[Pair]:
    keys = [[(node.kind, node.row.name) for node in side] for side in (left, right)]
    matcher = difflib.SequenceMatcher(None, keys[0], keys[1], autojunk=False)
    pairs: list[Pair] = []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal":
            pairs += zip(left[i1:i2], right[j1:j2], strict=True)
        else:
            pairs += [(node, None) for node in left[i1:i2]]
            pairs += [(None, node) for node in right[j1:j2]]
    return pairs


def _row(
    left: Node | None, right: Node | None, spans: list[dict[tuple[str, ...], Span]]
) -> DiffRow:
    sides = [
        known[_ids(node)] if node else None
        for known, node in zip(spans, (left, right), strict=True)
    ]
    depth = next(node.depth for node in (left, right) if node)
    if left is None or right is None:
        change: Change = "added" if left is None else "missing"
        return DiffRow(change, depth, sides[0], sides[1], None, ())
    texts = tuple(_text_diffs(left, right))
    durations = [span.duration_ms if span else None for span in sides]
    slower = None
    if durations[0] is not None and durations[1] is not None:
        slower = round(durations[1] - durations[0], 3)
    is_same = not texts and sides[0] is not None and sides[1] is not None
    is_same = is_same and sides[0].status == sides[1].status  # type: ignore[union-attr]
    change = "same" if is_same else "changed"
    return DiffRow(change, depth, sides[0], sides[1], slower, texts)


def _ids(node: Node) -> tuple[str, ...]:
    return tuple(row.event_id for row in (node.start, node.end) if row)


def _text_diffs(left: Node, right: Node) -> Iterator[TextDiff]:
    first, second = _texts(left), _texts(right)
    for name in dict.fromkeys([*first, *second]):
        before, after = first.get(name, ""), second.get(name, "")
        if before == after:
            continue
        lines = difflib.unified_diff(
            before.split("\n")[:_TEXT_LINES],
            after.split("\n")[:_TEXT_LINES],
            lineterm="",
            n=2,
        )
        shown = [
            line[:_LINE_CHARS]
            for line in lines
            if not line.startswith(("---", "+++", "@@"))
        ]
        yield TextDiff(name, tuple(shown[:_LINES]))


def _texts(node: Node) -> dict[str, str]:
    """Return the texts of a node by what they are; empty ones left out."""
    found: dict[str, str] = {}
    for row in (node.start, node.end):
        if row is not None and row.event is not None:
            found.update(_texts_of(row, row.event))
    return {name: text for name, text in found.items() if text}


def _texts_of(row: EventRow, event: dict[str, Any]) -> dict[str, str]:
    if row.kind in {"input", "output"}:
        return {row.kind: _plain(_in(event, "message", "text"))}
    if row.kind == "model":
        return {
            "system": _plain(_in(event, "llm_invocation", "request", "system")),
            "input": _plain(_in(event, "llm_invocation", "request", "input")),
            "output": _plain(_in(event, "llm_invocation", "response")),
        }
    if row.kind == "tool":
        return {
            "arguments": _plain(_in(event, "tool_call", "arguments")),
            "result": _plain(_in(event, "tool_response", "output")),
            "error": _plain(_in(event, "tool_response", "error_message")),
        }
    if row.kind == "error":
        return {"error": row.text}
    return {}


def _in(event: dict[str, Any], *path: str) -> Any:
    value: Any = event
    for name in path:
        value = value.get(name) if type(value) is dict else None
    return value


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if type(value) is str:
        return value
    return json.dumps(_without_ids(value), ensure_ascii=False, indent=1)


def _without_ids(value: Any) -> Any:
    if type(value) is dict:
        return {k: _without_ids(v) for k, v in value.items() if k not in _IDS}
    if type(value) is list:
        return [_without_ids(inner) for inner in value]
    return value
