"""
Spans as they came over the wire, as one text to compare with the tree of the file.

The tree of the file is reduced to what has a span by the rules of the mapping, which
are written here a second time, from the documents and not from the code.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from .trees import Span, spans_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from loopback.otlp import ReceivedSpan

__all__ = ("expected_span_tree", "span_tree")

_WITH_SPAN = frozenset("AGENT MODEL TOOL MCP HANDOFF POLICY DATA_ACCESS".split())


def span_tree(spans: Sequence[ReceivedSpan]) -> str:
    """Return spans as an indented text, roots and children by their start."""
    below: dict[str, list[ReceivedSpan]] = defaultdict(list)
    ids = {span.span_id for span in spans}
    assert len(ids) == len(spans), "a span came twice"
    for span in spans:
        assert not span.parent_span_id or span.parent_span_id in ids, span.name
        below[span.parent_span_id].append(span)
    return "\n".join(_lines(below, "", 0))


def _lines(
    below: dict[str, list[ReceivedSpan]], parent: str, depth: int
) -> Iterable[str]:
    for span in sorted(below[parent], key=lambda one: (one.start_ns, one.span_id)):
        failed = " FAILED" if span.status == 2 else ""
        yield f"{'  ' * depth}{_short(span.name)} {span.span_id}{failed}"
        yield from _lines(below, span.span_id, depth + 1)


def _short(name: str) -> str:
    return name.split(" ", maxsplit=1)[0]


def expected_span_tree(events: list[dict[str, Any]]) -> str:
    """Return the same text, from the events of the file."""
    all_spans = list(spans_of(events))
    sessions = {one.start["span_id"] for one in all_spans if one.kind == "SESSION"}
    wanted = [one for one in all_spans if one.kind in _WITH_SPAN and not _is_store(one)]
    below: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
    flows: dict[str, str] = {}
    for one in wanted:
        start, end = one.start, one.end
        parent = start.get("parent_span_id", "")
        top = not parent or parent in sessions
        parent = "" if top else parent
        run = start["metadata"].get("run_id", "")
        if one.kind == "AGENT" and top and end["metadata"].get("handoff_to"):
            flows.setdefault(run, f"flow of {run}")
        if one.kind == "AGENT" and top and run in flows:
            parent = flows[run]
        order = start["metadata"]["chaukas"]["seq"]
        below[parent].append((order, _line(one), start["span_id"]))
    for run, name in flows.items():
        first = min(below[name])[0]
        last = max(
            (o for o in wanted if o.kind == "AGENT" and _run_of(o) == run),
            key=lambda o: o.start["metadata"]["chaukas"]["seq"],
        )
        failed = " FAILED" if "FAILED" in last.end["status"] else ""
        below[""].append((first, f"invoke_workflow <flow>{failed}", name))
    return "\n".join(_expected_lines(below, "", 0))


def _run_of(one: Span) -> str:
    return str(one.start["metadata"].get("run_id", ""))


def _expected_lines(
    below: dict[str, list[tuple[int, str, str]]], parent: str, depth: int
) -> Iterable[str]:
    for _, line, span_id in sorted(below[parent]):
        yield "  " * depth + line
        yield from _expected_lines(below, span_id, depth + 1)


def _is_store(one: Span) -> bool:
    source = one.start.get("data_access", {}).get("datasource", "")
    return one.kind == "DATA_ACCESS" and source.startswith("session://")


def _line(one: Span) -> str:
    names = {
        "AGENT": "invoke_agent",
        "MODEL": "chat",
        "TOOL": "execute_tool",
        "HANDOFF": "execute_tool",
        "DATA_ACCESS": "retrieval",
    }
    name = names.get(one.kind, "")
    if one.kind == "MCP":
        call = one.start["mcp_call"]
        name = call.get("method") or call["operation"]
    elif one.kind == "POLICY":
        policy = one.start["policy"]["policy_id"]
        name = "approval" if policy == "tool_approval" else "run_guardrail"
    is_failed = one.kind not in ("HANDOFF", "POLICY", "DATA_ACCESS")
    failed = " FAILED" if is_failed and "FAILED" in one.end["status"] else ""
    return f"{name} {one.start['span_id']}{failed}"
