"""
Note what happened on the host's thread; the writer's thread makes the event of it.

A note holds what changes or is lost after the moment: time, place, ids, and the values
as they were. It counts what these weigh, so that the bound of memory holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from chaukas.sdk.capture.deferred import Deferred

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from chaukas.sdk.capture.deferred import DeferredCapture
    from chaukas.sdk.events import EventType

    from .context import AgentRef, Run
    from .recorder import Recorder

    Members: TypeAlias = dict[Any, Any]
    Content: TypeAlias = Members | Callable[[], Members]
    """Members of an event, or what returns them on the writer's thread."""

__all__ = ["Note", "resolved"]

_WEIGHT_BYTES: Final = 1_024
"""What a note weighs besides the texts in it."""


class Note:
    """
    What the host's thread knows of one event.

    Args:
        recorder: Makes the event.
        kind: Its type.
        run: Its ids are read now.
        content: Its members; what is deferred in them is captured later.
        metadata: The same of `metadata`.
        weight_bytes: What *content* keeps in memory, if it is a function.
    """

    __slots__ = (
        "agent",
        "at_ns",
        "capture",
        "content",
        "duration_ns",
        "has_deferred",
        "is_captured",
        "kind",
        "metadata",
        "now_ns",
        "parent_span_id",
        "recorder",
        "run",
        "run_id",
        "seq",
        "severity",
        "span_id",
        "status",
        "stream",
        "weight_bytes",
    )

    agent: AgentRef | None
    at_ns: int
    capture: DeferredCapture | None
    duration_ns: int
    is_captured: bool
    parent_span_id: str
    seq: int
    now_ns: int
    severity: str
    span_id: str
    status: str
    stream: str

    def __init__(
        self,
        recorder: Recorder,
        kind: EventType,
        run: Run,
        content: Content,
        metadata: Content | None,
        weight_bytes: int,
    ) -> None:
        self.recorder = recorder
        self.kind = kind
        self.run = run
        self.run_id = run.run_id
        self.weight_bytes = weight_bytes + _WEIGHT_BYTES
        self.has_deferred = False
        self.content = self._copied(content) if type(content) is dict else content
        self.metadata = self._copied(metadata) if type(metadata) is dict else metadata

    # All dicts are copied, as our own code may change them afterwards; what an
    # application holds is deferred, and so a copy already. In one loop, without a
    # call for each: it is run for every event.
    def _copied(self, members: Members) -> Members:
        copy = dict(members)
        levels = [copy]
        for level in levels:
            for name, value in level.items():
                kind = type(value)
                if kind is str:
                    self.weight_bytes += len(value)
                elif kind is dict:
                    level[name] = inner = dict(value)
                    levels.append(inner)
                elif kind is Deferred:
                    self.has_deferred = True
                    self.weight_bytes += value.weight_bytes
                elif kind is list:
                    level[name] = list(value)
                elif type(name) is Deferred:
                    self.has_deferred = True
                    self.weight_bytes += name.weight_bytes
        return copy

    def make(self) -> bytes:
        """
        Return the encoded event.

        Raises:
            Exception: It cannot be made; it is lost.
        """
        return self.recorder.make(self)


def resolved(value: Any, captures: list[DeferredCapture]) -> Any:
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
