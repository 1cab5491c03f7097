"""
The processes that wrote the events of files, and which of them are gone.

A process that was killed says nothing of its end; others may know.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ("Event", "Process", "is_own", "processes_of", "text_of")

Event = dict[str, Any]

_OWN = "chaukas."
_ENDED = "chaukas.disabled"
_ADOPTED = "chaukas.adopted"
_SCORE = "chaukas.score"
"""What somebody says of a run."""


@dataclass(slots=True)
class Process:
    """One process instance, known by its stream."""

    first: Event
    """Its earliest event."""
    last: str
    """Time of its latest one."""
    end: Event | None = None
    """The event with which it stopped recording."""
    is_gone: bool = False
    """
    It stopped, another one delivered what it left, or it fell silent before the
    next one began in the same files, where no two were ever at work together.
    """


def text_of(event: Mapping[str, Any], *path: str) -> str:
    """Return a text inside an event; empty when there is none."""
    value: Any = event
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if type(value) is str else ""


def is_own(event: Mapping[str, Any]) -> bool:
    """Return whether chaukas says it of itself, and of no run."""
    if text_of(event, "type") != "EVENT_TYPE_SYSTEM":
        return False
    name = text_of(event, "metadata", "name")
    is_named = name.startswith(_OWN) and name != _SCORE
    return is_named and not text_of(event, "parent_span_id")


def processes_of(events: Iterable[Event]) -> dict[str, Process]:
    """Return the processes by their streams, from events in any order."""
    found: dict[str, Process] = {}
    adopted: set[str] = set()
    for event in events:
        stream = text_of(event, "metadata", "chaukas", "stream")
        time = text_of(event, "timestamp")
        process = found.setdefault(stream, Process(event, time))
        if time < text_of(process.first, "timestamp"):
            process.first = event
        process.last = max(process.last, time)
        if is_own(event):
            name = text_of(event, "metadata", "name")
            if name == _ENDED:
                process.end = event
            elif name == _ADOPTED:
                adopted.add(text_of(event, "metadata", "data", "stream"))
    for stream, process in found.items():
        process.is_gone = process.end is not None or stream in adopted
    _mark_gone([process for stream, process in found.items() if stream])
    return found


def _mark_gone(processes: list[Process]) -> None:
    """Mark those that fell silent before the next one began."""
    in_order = sorted(processes, key=_begin)
    latest = ""
    for process, following in itertools.pairwise(in_order):
        if latest < _begin(process) and process.last < _begin(following):
            process.is_gone = True
        latest = max(latest, process.last)


def _begin(process: Process) -> str:
    return text_of(process.first, "timestamp")
