"""
Events as one text to compare: the whole tree, and nothing that differs by chance.

Comparing whole trees is what makes an event too many as loud as one too few. Every
tree that is drawn is also checked against the rules that hold for any run.
"""

from __future__ import annotations

from collections import defaultdict
from inspect import cleandoc
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

__all__ = ("Span", "check", "named", "only", "spans_of", "tree", "tree_of")

Event = dict[str, Any]

tree = cleandoc
"""An expected tree, written with the indentation of the test around it."""

_SHORT = {
    "MODEL_INVOCATION": "MODEL",
    "TOOL_CALL": "TOOL",
    "MCP_CALL": "MCP",
    "AGENT_HANDOFF": "HANDOFF",
    "INPUT_RECEIVED": "INPUT",
    "OUTPUT_EMITTED": "OUTPUT",
    "POLICY_DECISION": "POLICY",
}
_USUAL = {"COMPLETED", "ERROR", "RETRY"}


class Span(NamedTuple):
    """A pair, or an event that stands alone (its `end` is then `start` again)."""

    kind: str
    """Such as `TOOL`: short, and without `_START` and `_END`."""
    start: Event
    end: Event

    @property
    def content(self) -> Event:
        """START's and END's own members, END's last."""
        return {**self.start, **self.end}


def named(events: Iterable[Event], kind: str) -> list[Event]:
    """Return the events of type *kind*, such as `TOOL_CALL_START`."""
    return [event for event in events if event["type"] == f"EVENT_TYPE_{kind}"]


def only(events: Iterable[Event], kind: str) -> Event:
    """Return the one event of type *kind*; fail the test if there is not one."""
    found = named(events, kind)
    assert len(found) == 1, f"{len(found)} events are of type {kind}"
    return found[0]


def spans_of(events: Iterable[Event]) -> list[Span]:
    """
    Return pairs and point events in the order in which they began.

    SYSTEM events are left out: they are chaukas's own. Fails the test if a START
    has not exactly one END, or an END no START.
    """
    ends: dict[tuple[str, str], list[Event]] = defaultdict(list)
    begun: list[tuple[str, Event]] = []
    for event in events:
        name = event["type"].removeprefix("EVENT_TYPE_")
        if name.endswith("_END"):
            ends[name.removesuffix("_END"), event["span_id"]].append(event)
        elif name != "SYSTEM":
            begun.append((name, event))
    spans: list[Span] = []
    for name, event in begun:
        base = name.removesuffix("_START")
        if base != name:
            found = ends.pop((base, event["span_id"]), [])
            assert len(found) == 1, f"{base} {event['span_id']} has {len(found)} ENDs"
            spans.append(Span(_SHORT.get(base, base), event, found[0]))
        else:
            spans.append(Span(_SHORT.get(base, base), event, event))
    assert not ends, f"ENDs without START: {sorted(ends)}"
    return spans


def check(events: Sequence[Event]) -> list[Span]:
    """
    Check what holds for all events of any run; return them as spans.

    Unique ids; each START has one END of the same session, trace, parent and
    agent; parents exist, began earlier and ended later; one trace below each
    session's run; one session and one tenant from top to bottom.
    """
    ids = [event["event_id"] for event in events]
    assert len(set(ids)) == len(ids), "an event id is used twice"
    spans = spans_of(events)
    by_id = {span.start["span_id"]: span for span in spans}
    assert len(by_id) == len(spans), "a span id is used twice"
    for span in spans:
        _check_pair(span)
        parent_id = span.start.get("parent_span_id")
        if span.kind == "SESSION":
            assert parent_id is None, "a session has a parent"
            continue
        assert parent_id in by_id, f"{span.kind} has the unknown parent {parent_id!r}"
        _check_below(by_id[parent_id], span)
    return spans


def _check_pair(span: Span) -> None:
    start, end = span.start, span.end
    for name in _WHERE | {"trace_id", "parent_span_id", "agent_id", "agent_name"}:
        assert start.get(name) == end.get(name), f"{span.kind}: {name} of START and END"
    assert _seq(start) <= _seq(end), f"{span.kind} ends before it starts"


_WHERE = {"session_id", "tenant_id", "project_id"}


def _check_below(parent: Span, span: Span) -> None:
    assert parent.start is not parent.end, f"{parent.kind} cannot have children"
    assert _seq(parent.start) < _seq(span.start), f"{span.kind} is before its parent"
    for name in _WHERE:
        assert parent.start[name] == span.start[name], f"{span.kind}: {name} of parent"
    if parent.kind != "SESSION":
        traces = parent.start["trace_id"], span.start["trace_id"]
        assert traces[0] == traces[1], f"{span.kind}: trace of parent"


def _seq(event: Event) -> int:
    seq = event["metadata"]["chaukas"]["seq"]
    assert type(seq) is int
    return seq


def tree_of(events: Sequence[Event]) -> str:
    """
    Return the tree that *events* make, checked, one line for each span.

    A line names the type, what it is about, and the status unless it is the usual
    one; siblings are in the order of their beginning, equal neighbours are
    counted.
    """
    spans = check(events)
    children: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        children[span.start.get("parent_span_id", "")].append(span)
    lines: list[str] = []
    for text, count in _counted(_drawn(top, children) for top in children[""]):
        lines += _with_count(text, count)
    return "\n".join(lines)


def _drawn(span: Span, children: dict[str, list[Span]]) -> str:
    lines = [_head(span)]
    below = (_drawn(child, children) for child in children[span.start["span_id"]])
    for text, count in _counted(below):
        lines += [f"  {line}" for line in _with_count(text, count)]
    return "\n".join(lines)


def _counted(texts: Iterable[str]) -> Iterator[tuple[str, int]]:
    held: str | None = None
    count = 0
    for text in texts:
        if text == held:
            count += 1
            continue
        if held is not None:
            yield held, count
        held, count = text, 1
    if held is not None:
        yield held, count


def _with_count(text: str, count: int) -> list[str]:
    first, *rest = text.split("\n")
    return [f"{first} x{count}" if count > 1 else first, *rest]


def _head(span: Span) -> str:
    words = [span.kind]
    about = _ABOUT.get(span.kind)
    if about is not None:
        words += about(span.content)
    status = span.end["status"].removeprefix("EVENT_STATUS_")
    if status != "COMPLETED" and span.kind not in _USUAL:
        words.append(status)
    return " ".join(word for word in words if word)


def _of_error(event: Event) -> list[str]:
    error = event["error"]
    return [error["error_code"], "recoverable" if error.get("recoverable") else ""]


def _of_agent(event: Event) -> list[str]:
    is_waiting = event["metadata"].get("waiting")
    return [event["agent_name"], "waiting" if is_waiting else ""]


def _of_retry(event: Event) -> list[str]:
    retry = event["retry"]
    limit = retry.get("max_attempts", 0)
    return [retry["metadata"]["layer"], f"{retry['attempt']}/{limit}"]


def _of_state(event: Event) -> list[str]:
    session = event["state_update"].get("session")
    if type(session) is dict and "operation" in session:
        return [session["operation"], session["store"]]
    return sorted(event["state_update"].keys() & _IDS)


_IDS = {"conversation_id", "previous_response_id"}


_ABOUT: dict[str, Callable[[Event], list[str]]] = {
    "AGENT": _of_agent,
    "DATA_ACCESS": lambda event: [event["data_access"]["datasource"]],
    "ERROR": _of_error,
    "HANDOFF": lambda event: [
        event["agent_handoff"]["from_agent_name"],
        "->",
        event["agent_handoff"]["to_agent_name"],
    ],
    "MCP": lambda event: [event["mcp_call"]["operation"]],
    "POLICY": lambda event: [
        event["policy"]["policy_id"],
        event["policy"]["outcome"],
    ],
    "RETRY": _of_retry,
    "STATE_UPDATE": _of_state,
    "TOOL": lambda event: [event["tool_call"]["tool_name"]],
}
