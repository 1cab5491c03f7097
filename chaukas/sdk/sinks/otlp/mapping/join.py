"""
Joins events to what becomes a span: START with END, and what happened in between.

What is open between two batches is plain data that can be written down and read again,
so that a span survives the death of whoever was joining it.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from .conversation import Conversation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chaukas.sdk.typing import Event

__all__ = [
    "PARENTLESS",
    "WORKFLOW",
    "Joined",
    "Joiner",
    "Open",
    "kind_of",
    "time_ns_of",
    "workflow_span_id",
]

PARENTLESS: Final = ""
_TYPE: Final = "EVENT_TYPE_"
_START: Final = "_START"
_END: Final = "_END"
_HELD_BYTES: Final = 32 << 20
_SESSIONS: Final = 100_000
_MORE_LIMIT: Final = 256
"""Events that one span takes in; further ones are counted."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND: Final = timedelta(microseconds=1)
_ATTACHED: Final = frozenset(
    "ERROR RETRY STATE_UPDATE INPUT_RECEIVED OUTPUT_EMITTED".split()
)
_POINTS: Final = frozenset("AGENT_HANDOFF POLICY_DECISION DATA_ACCESS".split())
WORKFLOW: Final = "WORKFLOW"


class Joined(NamedTuple):
    """What becomes one span, or one log record if `kind` is LOG."""

    kind: str
    """Such as `AGENT` or `MODEL_INVOCATION`; of a single event its type."""
    start: Event
    end: Event | None
    """None while it was open when its process died."""
    more: tuple[Event, ...]
    """What happened in it and is no span of its own, in order."""
    parent_span_id: str
    line: int
    """Index in the batch of the event that completed it; -1 if there is none."""
    last_ns: int = 0
    """Without an END: when its process was last heard of."""
    asked: tuple[str, list[Any]] | None = None
    """Of a model call: system text and all items of its input."""


class Open(NamedTuple):
    """A pair whose END has not come."""

    kind: str
    start: Event
    more: tuple[Event, ...] = ()
    left_out: int = 0
    parent_span_id: str = ""
    """Of the span: sessions are none, and a synthetic workflow may be in between."""
    into: str = ""
    """Span that this becomes a part of, instead of one of its own."""
    asked: tuple[str, list[Any]] | None = None
    size: int = 0
    """Bytes that it takes, about."""


def kind_of(event: Event) -> str:
    """Return the type of an event without what all types have in common."""
    return str(event.get("type", "")).removeprefix(_TYPE)


def time_ns_of(event: Event) -> int:
    """Return when it happened, in nanoseconds since 1970; 0 if that is not known."""
    text = event.get("timestamp")
    try:
        moment = datetime.fromisoformat(str(text).removesuffix("Z") + "+00:00")
    except ValueError:
        return 0
    return (moment - _EPOCH) // _MICROSECOND * 1000


def workflow_span_id(trace_id: str, run_id: str) -> str:
    """
    Return the id of the span over the agents of a run that was handed over.

    The same wherever it is computed. Several runs may share a trace.
    """
    return sha256(f"root{trace_id}{run_id}".encode()).hexdigest()[:16]


class Joiner:
    """
    The open spans of one stream of events.

    Beyond a size in bytes the oldest is let go: it is told as incomplete, and once more
    by its END alone.

    Args:
        conversation: Keeps what models were asked.
        held_bytes: That size.
    """

    def __init__(
        self,
        conversation: Conversation | None = None,
        held_bytes: int = _HELD_BYTES,
    ) -> None:
        self.conversation = conversation or Conversation()
        self._limit_bytes = held_bytes
        self._held_bytes = 0
        self.sessions: dict[str, None] = {}
        """Spans of sessions, which are parents in the record and no spans here."""
        self.open: dict[str, Open] = {}
        """By span id, in the order of their START."""
        self.last_ns = 0
        """When the last event happened."""

    def copy(self) -> Joiner:
        """Return one that goes on alone; what models were asked is shared."""
        other = Joiner(self.conversation, self._limit_bytes)
        other.open, other.sessions = dict(self.open), dict(self.sessions)
        other._held_bytes = self._held_bytes
        other.last_ns = self.last_ns
        return other

    def join(self, events: Iterable[Event]) -> list[Joined]:
        """Take in events, in order; return what they complete."""
        made: list[Joined] = []
        for line, event in enumerate(events):
            self.last_ns = max(self.last_ns, time_ns_of(event))
            kind = kind_of(event)
            if kind.endswith(_START):
                self._begin(kind.removesuffix(_START), event)
            elif kind.endswith(_END):
                made += self._end(kind.removesuffix(_END), event, line)
            else:
                made += self._point(kind, event, line)
            while self._held_bytes > self._limit_bytes and len(self.open) > 1:
                gone = self._incomplete(self._taken(next(iter(self.open))))
                made += [] if gone is None else [gone]
        return made

    def end_all(self) -> list[Joined]:
        """Return everything that is open, as it is when its process is gone."""
        made = [self._incomplete(one) for one in self.open.values()]
        self.open.clear()
        self._held_bytes = 0
        return [each for each in made if each is not None]

    def resume(self, kept: Iterable[dict[str, Any]]) -> None:
        """Take up what `kept` returned, after whatever happened since."""
        for entry in kept:
            if "last_ns" in entry:
                self.last_ns = max(self.last_ns, int(entry["last_ns"]))
                self.sessions.update(dict.fromkeys(entry.get("sessions", ())))
                continue
            start = entry["start"]
            asked = entry.get("asked")
            self._put(
                entry["span_id"],
                Open(
                    entry["kind"],
                    start,
                    tuple(entry.get("more", ())),
                    int(entry.get("left_out", 0)),
                    entry.get("parent", ""),
                    entry.get("into", ""),
                    None if asked is None else (asked[0], asked[1]),
                    len(orjson.dumps(entry)),
                ),
            )

    def kept(self) -> list[dict[str, Any]]:
        """Return what must not be lost, as JSON objects, one for each open span."""
        head = {"last_ns": self.last_ns, "sessions": list(self.sessions)}
        entries: list[dict[str, Any]] = [head]
        for span_id, one in self.open.items():
            entry: dict[str, Any] = {
                "span_id": span_id,
                "kind": one.kind,
                "start": one.start,
                "more": one.more,
                "left_out": one.left_out,
                "parent": one.parent_span_id,
                "into": one.into,
                "asked": one.asked,
            }
            entries.append({name: value for name, value in entry.items() if value})
        return entries

    def _put(self, span_id: str, one: Open) -> None:
        self.open[span_id] = one
        self._held_bytes += one.size

    def _taken(self, span_id: str) -> Open | None:
        one = self.open.pop(span_id, None)
        if one is not None:
            self._held_bytes -= one.size
        return one

    def _begin(self, kind: str, event: Event) -> None:
        if kind == "SESSION":
            self.sessions[_span_id(event)] = None
            if len(self.sessions) > _SESSIONS:
                del self.sessions[next(iter(self.sessions))]
            return
        asked = None
        if kind == "MODEL_INVOCATION":
            asked = self.conversation.asked(event)
            event = _without_input(event)
        parent = self._parent_of(event, kind)
        one = Open(
            kind,
            event,
            more=self._handed_over(event) if kind == "AGENT" else (),
            parent_span_id=parent,
            into=self._part_of(kind, event),
            asked=None if asked is None else (asked.system, asked.items),
            size=_size_of(event) + (0 if asked is None else asked.size),
        )
        self._put(_span_id(event), one)

    def _end(self, kind: str, event: Event, line: int) -> list[Joined]:
        one = self._taken(_span_id(event))
        if kind == "SESSION":
            self.sessions.pop(_span_id(event), None)
            log = Joined("LOG", event, event, (), PARENTLESS, line)
            return [log]
        if one is None:
            # Its START was refused, or is lost: the END tells the most of it.
            one = Open(kind, event, parent_span_id=self._parent_of(event, kind))
        if one.into and one.into in self.open:
            self._attach(one.into, one.start)
            self._attach(one.into, event)
            for each in one.more:
                self._attach(one.into, each)
            return []
        more = one.more
        made: list[Joined] = []
        if kind == "AGENT":
            made, one = self._end_agent(one, event, line)
        return [
            Joined(
                kind, one.start, event, more, one.parent_span_id, line, asked=one.asked
            ),
            *made,
        ]

    def _end_agent(
        self, one: Open, event: Event, line: int
    ) -> tuple[list[Joined], Open]:
        """Begin the workflow of a run at its first handoff; end it with its last."""
        metadata = event.get("metadata", {})
        run_id = metadata.get("run_id", "")
        if not self._is_top_level(event) or not run_id:
            self._pass_handoffs_on(one, event.get("parent_span_id", ""))
            return [], one
        over = workflow_span_id(event.get("trace_id", ""), run_id)
        if metadata.get("handoff_to") and over not in self.open:
            start = {**one.start, "span_id": over}
            above = one.parent_span_id
            flow = Open(WORKFLOW, start, parent_span_id=above, size=_size_of(start))
            self._put(over, flow)
            one = one._replace(parent_span_id=over)
        if over not in self.open:
            return [], one
        for each in one.more:
            if kind_of(each) in ("INPUT_RECEIVED", "OUTPUT_EMITTED", "AGENT_HANDOFF"):
                self._attach(over, each)
        if metadata.get("handoff_to"):
            return [], one
        flow = self._taken(over) or one
        end = {**event, "span_id": over}
        whole = Joined(WORKFLOW, flow.start, end, flow.more, flow.parent_span_id, line)
        return [whole], one

    def _pass_handoffs_on(self, one: Open, parent_span_id: str) -> None:
        for each in one.more:
            if kind_of(each) == "AGENT_HANDOFF":
                self._attach(parent_span_id, each)

    def _point(self, kind: str, event: Event, line: int) -> list[Joined]:
        parent = event.get("parent_span_id", "")
        if kind in _ATTACHED:
            if event.get("is_partial") or self._attach(parent, event):
                return []
            return [Joined("LOG", event, event, (), self._living(parent), line)]
        if kind == "DATA_ACCESS" and _is_store(event) and self._attach(parent, event):
            return []
        if kind in _POINTS:
            if kind == "AGENT_HANDOFF":
                self._attach(parent, event)
            above = self._parent_of(event, kind)
            return [Joined(kind, event, event, (), above, line)]
        made = [Joined("LOG", event, event, (), self._living(parent), line)]
        if event.get("metadata", {}).get("name") == "chaukas.disabled":
            # The last word of its process: what is open now stays so.
            made += self.end_all()
        return made

    def _attach(self, span_id: str, event: Event) -> bool:
        """Keep an event with the span in which it happened, if that is open."""
        one = self.open.get(span_id)
        if one is None:
            return False
        if one.into and one.into in self.open:
            return self._attach(one.into, event)
        if len(one.more) >= _MORE_LIMIT:
            self.open[span_id] = one._replace(left_out=one.left_out + 1)
        else:
            size = _size_of(event)
            self._held_bytes += size
            more = (*one.more, event)
            self.open[span_id] = one._replace(more=more, size=one.size + size)
        return True

    def _parent_of(self, event: Event, kind: str) -> str:
        """Return the span above; a session is none, but something outside may be."""
        parent: str = event.get("parent_span_id", "")
        if kind == "AGENT" and self._is_top_level(event):
            metadata = event.get("metadata", {})
            run_id = metadata.get("run_id", "")
            over = workflow_span_id(event.get("trace_id", ""), run_id)
            if over in self.open:
                return over
            outside = metadata.get("otel_parent_span_id", "")
            if outside and not metadata.get("otel_trace_id"):
                return str(outside)
            return str(metadata.get("remote_parent_span_id", ""))
        return PARENTLESS if self._is_top_level(event) else self._living(parent)

    def _living(self, parent: str) -> str:
        """Return the span that stands for a parent, empty if that is a session."""
        if parent in self.sessions:
            return PARENTLESS
        one = self.open.get(parent)
        return parent if one is None else one.into or parent

    def _is_top_level(self, event: Event) -> bool:
        parent = event.get("parent_span_id", "")
        if not parent or parent in self.sessions:
            return True
        # The outermost of its run: a session that is not known is all that is above.
        is_outermost = event.get("metadata", {}).get("run_id") == _span_id(event)
        return is_outermost and parent not in self.open

    def _handed_over(self, event: Event) -> tuple[Event, ...]:
        """Return the handoff by which an agent comes to work."""
        run_id = event.get("metadata", {}).get("run_id", "")
        over = workflow_span_id(event.get("trace_id", ""), run_id)
        above = self.open.get(over) or self.open.get(event.get("parent_span_id", ""))
        for each in reversed(above.more if above is not None else ()):
            if kind_of(each) == "AGENT_HANDOFF":
                to = each.get("agent_handoff", {}).get("to_agent_id")
                return (each,) if to == event.get("agent_id") else ()
        return ()

    def _part_of(self, kind: str, event: Event) -> str:
        """Return the tool that a call to an MCP server is, so that it is one span."""
        parent = event.get("parent_span_id", "")
        one = self.open.get(parent)
        if kind != "MCP_CALL" or one is None or one.kind != "TOOL_CALL":
            return ""
        call = one.start.get("tool_call", {})
        is_mcp = call.get("metadata", {}).get("tool_type") == "mcp"
        is_call = event.get("mcp_call", {}).get("operation") == "tools/call"
        is_first = all(kind_of(each) != "MCP_CALL_START" for each in one.more)
        return parent if is_mcp and is_call and is_first else ""

    def _incomplete(self, one: Open | None) -> Joined | None:
        if one is None or one.into:
            return None
        return Joined(
            one.kind,
            one.start,
            None,
            one.more,
            one.parent_span_id,
            -1,
            self.last_ns,
            one.asked,
        )


def _span_id(event: Event) -> str:
    return str(event.get("span_id", ""))


def _size_of(event: Event) -> int:
    return len(orjson.dumps(event))


def _is_store(event: Event) -> bool:
    access = event.get("data_access", {})
    return str(access.get("datasource", "")).startswith("session://")


def _without_input(event: Event) -> Event:
    """Return a START without the items that `asked` holds as well."""
    call = event.get("llm_invocation", {})
    request = call.get("request")
    if type(request) is not dict:
        return event
    gone = ("input", "input_digests", "input_refs", "system")
    rest = {name: value for name, value in request.items() if name not in gone}
    return {**event, "llm_invocation": {**call, "request": rest}}
