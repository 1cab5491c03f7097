"""
Note what happened on the host's thread; the writer's thread makes the event of it.

A note holds what changes or is lost after the moment: time, place, ids, and the values
as they were. It counts what these weigh, so that the bound of memory holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from chaukas.sdk.capture.held import Deferred

if TYPE_CHECKING:
    from chaukas.sdk.capture.held import Taker
    from chaukas.sdk.events import EventType
    from chaukas.sdk.typing import Content

    from .context import AgentRef, Run

__all__ = ["Maker", "Note", "resolved"]

_WEIGHT_BYTES: Final = 1_024
"""What a note weighs besides the texts in it."""


class Maker(Protocol):
    """What makes events of notes."""

    def make(self, note: Note, seq: int) -> bytes | None:
        """
        Return the encoded event of *note*, the number *seq* of its stream.

        None if there is nothing to record after all.

        Raises:
            Exception: It cannot be made.
        """
        ...


class Note:
    """
    What the host's thread knows of one event.

    Args:
        recorder: Makes the event.
        kind: Its type; status, severity and author follow from it.
        run: Run that it belongs to; its ids are noted.
        content: Top-level members, deferred; or a function that returns them, captured,
            on the writer's thread, in the order of events, from what cannot change;
            None if there is nothing to record after all.
        metadata: The same of `metadata`.
        weight_bytes: What a function for *content* keeps in memory.
    """

    __slots__ = (
        "agent",
        "at_ns",
        "capture",
        "content",
        "duration_ns",
        "framework",
        "has_deferred",
        "is_captured",
        "kind",
        "metadata",
        "now_ns",
        "parent_span_id",
        "recorder",
        "run",
        "run_id",
        "severity",
        "span_id",
        "status",
        "stream",
        "weight_bytes",
    )

    agent: AgentRef | None
    """Agent that acts."""
    at_ns: int
    """Wall time at which it happened, in nanoseconds, if not when it was noted."""
    capture: Taker | None
    """What takes the content; what it hid is noted."""
    duration_ns: int
    """How long it took; 0 if that is not known."""
    is_captured: bool
    """Names in content and metadata are captured as well."""
    parent_span_id: str
    """Span under which it stands; none for sessions."""
    seq: int
    now_ns: int
    severity: str
    """Wire name to use instead of the usual."""
    span_id: str
    """Span of a pair; a point event has its own."""
    status: str
    """Wire name to use instead of the usual."""
    stream: str

    def __init__(
        self,
        recorder: Maker,
        kind: EventType,
        run: Run,
        content: Content,
        metadata: Content | None,
        weight_bytes: int,
    ) -> None:
        self.recorder = recorder
        self.kind = kind
        self.run = run
        # Both may be set later, for the events that come then.
        self.run_id = run.run_id
        self.framework = run.framework
        self.weight_bytes = weight_bytes + _WEIGHT_BYTES
        self.has_deferred = False
        self.content = self._copied(content) if type(content) is dict else content
        self.metadata = self._copied(metadata) if type(metadata) is dict else metadata

    # All dicts are copied, as our own code may change them afterwards; what an
    # application holds is deferred, and so a copy already. In one loop, without a
    # call for each: it is run for every event.
    def _copied(self, members: dict[Any, Any]) -> dict[Any, Any]:
        copy = dict(members)
        levels: list[Any] = [copy]
        for level in levels:
            is_list = type(level) is list
            for name, value in enumerate(level) if is_list else level.items():
                kind = type(value)
                if kind is str:
                    self.weight_bytes += len(value)
                elif kind is dict or kind is list:
                    level[name] = inner = kind(value)
                    levels.append(inner)
                elif kind is Deferred or type(name) is Deferred:
                    self.has_deferred = True
                    held: Any = value if kind is Deferred else name
                    self.weight_bytes += held.weight_bytes
        return copy

    def make(self, seq: int) -> bytes | None:
        """
        Return the encoded event; None if there is nothing to record after all.

        Args:
            seq: Its number in the stream.

        Raises:
            Exception: It cannot be made; it is lost.
        """
        return self.recorder.make(self, seq)


def resolved(value: Any, captures: list[Taker]) -> Any:
    """
    Return *value* with all that is deferred in it captured.

    Args:
        value: Members of an event, or a part of them.
        captures: Takes what captured them, each once.
    """
    kind = type(value)
    if kind is Deferred:
        if not any(capture is value.capture for capture in captures):
            captures.append(value.capture)
        return value.captured()
    if kind is dict:
        members: dict[str, Any] = {}
        for name, item in value.items():
            inner = type(item)
            if type(name) is Deferred:
                found = resolved(name, captures)
                members.update(found if type(found) is dict else {})
            elif inner is Deferred or inner is dict or inner is list or inner is tuple:
                members[name] = resolved(item, captures)
            else:
                members[name] = item
        return members
    if kind is list or kind is tuple:
        return [resolved(item, captures) for item in value]
    return value
