"""
Say what is wrong with a whole recording, in words that lead to the cause.

Apart from the plugin, because what is right of a recording is a pure question: it is
asked of one pytest process after the other, and can be tested without any SDK.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["faults_of", "orphans_of"]

_START = "_START"
_END = "_END"


def faults_of(events: Sequence[Mapping[str, Any]]) -> list[str]:
    """
    Return every break of the tree's rules, one line each; none means sound.

    Checked: each START has exactly one END of its kind, in the same trace and
    session and not earlier; every parent is a pair that started earlier and had
    not ended when its child began; every event id is used once.

    Args:
        events: All events of a closed recording, in the order of the file.
    """
    starts = _by_span(events, _START)
    ends = _by_span(events, _END)
    faults: list[str] = []
    for span, found in starts.items():
        faults.extend(_pair_faults(found, ends.get(span, [])))
    for span, found in ends.items():
        if span not in starts:
            faults.extend(f"{_name(event)} has no START" for event in found)
    faults.extend(_parent_faults(events, starts))
    ids = Counter(event["event_id"] for event in events)
    faults.extend(f"event_id {one} is used {n}x" for one, n in ids.items() if n > 1)
    return faults


def orphans_of(events: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the STARTs of pairs that nobody ended before chaukas was disabled."""
    listed = list(events)
    orphans = {
        event["span_id"] for event in listed if event["metadata"].get("orphan") is True
    }
    return [
        event
        for event in listed
        if event["span_id"] in orphans and event["type"].endswith(_START)
    ]


def _by_span(
    events: Iterable[Mapping[str, Any]], suffix: str
) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for event in events:
        if event["type"].endswith(suffix):
            found.setdefault(event["span_id"], []).append(event)
    return found


def _pair_faults(
    starts: list[Mapping[str, Any]], ends: list[Mapping[str, Any]]
) -> list[str]:
    first = starts[0]
    if len(starts) > 1:
        return [f"{_name(first)} started {len(starts)} times"]
    if len(ends) != 1:
        return [f"{_name(first)} has {len(ends)} ENDs"]
    (end,) = ends
    faults = []
    if end["type"].removesuffix(_END) != first["type"].removesuffix(_START):
        faults.append(f"{_name(first)} is ended by {end['type']}")
    if end["timestamp"] < first["timestamp"]:
        faults.append(f"{_name(first)} ends before it starts")
    faults.extend(
        f"{_name(first)} ends with another {field}"
        for field in ("trace_id", "session_id", "tenant_id", "parent_span_id")
        if end.get(field) != first.get(field)
    )
    return faults


def _parent_faults(
    events: Iterable[Mapping[str, Any]],
    starts: Mapping[str, list[Mapping[str, Any]]],
) -> list[str]:
    faults = []
    for event in events:
        parent_id = event.get("parent_span_id")
        if parent_id is None:
            continue
        parents = starts.get(parent_id)
        if not parents:
            faults.append(f"{_name(event)} has a parent that does not exist")
        elif _seq(parents[0]) >= _seq(event):
            faults.append(f"{_name(event)} is older than its parent")
        elif parents[0]["session_id"] != event["session_id"]:
            faults.append(f"{_name(event)} is in another session than its parent")
    return faults


def _seq(event: Mapping[str, Any]) -> int:
    seq: int = event["metadata"]["chaukas"]["seq"]
    return seq


def _name(event: Mapping[str, Any]) -> str:
    kind = event["type"].removeprefix("EVENT_TYPE_")
    return f"{kind} at {event['timestamp']} (agent {event.get('agent_name')!r})"
