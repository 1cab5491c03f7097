"""
What went wrong in a SQLite store, by cause: events, runs without an end, losses.

A cause is a text with its numbers masked, which a store keeps with the event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from chaukas.store.answers import Cause

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from chaukas.store.answers import StreamRow

    from .where import Condition

__all__ = ("KINDS", "UNENDED", "losses_of", "of_events", "of_runs", "of_streams")

KINDS: Final = {"error": "error", "retry": "retry", "policy": "denial"}
"""Kinds of trouble by the kinds of their events; all others never ended."""
UNENDED: Final = {
    "waiting": "waits for somebody's approval",
    "died": "its process is gone, and left no end",
}
"""Statuses of runs that are trouble, and what they mean."""
_EXAMPLES: Final = 50
_TRACES: Final = 5


def of_events(sql: sqlite3.Connection, where: Condition, limit: int) -> list[Cause]:
    """Return the causes of events that a condition holds for, the commonest first."""
    condition, params = where
    rows = sql.execute(
        "SELECT e.kind, e.cause, e.name, count(*), count(DISTINCT e.run),"
        " min(e.at), max(e.at) FROM event e LEFT JOIN run r ON r.id = e.run"
        " LEFT JOIN session s ON s.id = e.session WHERE e.cause IS NOT NULL"
        f" AND {condition} GROUP BY e.kind, e.cause, e.name"
        " ORDER BY count(*) DESC, max(e.at) DESC, e.cause, e.name LIMIT ?",
        [*params, limit],
    ).fetchall()
    return [_cause(sql, row, where) for row in rows]


def _cause(sql: sqlite3.Connection, row: Sequence[Any], where: Condition) -> Cause:
    kind, cause, name, number, runs, first, last = row
    condition, params = where
    examples = sql.execute(
        "SELECT e.event_id, coalesce(r.trace, '') FROM event e"
        " LEFT JOIN run r ON r.id = e.run LEFT JOIN session s ON s.id = e.session"
        f" WHERE e.cause = ? AND e.kind = ? AND e.name = ? AND {condition}"
        " ORDER BY e.at DESC, e.event_id DESC LIMIT ?",
        [cause, kind, name, *params, _EXAMPLES],
    ).fetchall()
    traces = tuple(dict.fromkeys(trace for _, trace in examples if trace))[:_TRACES]
    shown = "orphan" if cause == "orphan" else KINDS.get(kind, "orphan")
    return Cause(shown, cause, name, number, runs, first, last, examples[0][0], traces)


def of_runs(sql: sqlite3.Connection, where: Condition, status: str) -> list[Cause]:
    """Return one cause for all runs with a status, or none."""
    condition, params = where
    number, first, last = sql.execute(
        f"SELECT count(*), min(r.first), max(r.last) FROM run r WHERE {condition}",
        params,
    ).fetchone()
    if not number:
        return []
    rows = sql.execute(
        f"SELECT r.trace FROM run r WHERE {condition}"
        " ORDER BY r.first DESC, r.trace DESC LIMIT ?",
        [*params, _TRACES],
    )
    traces = tuple(trace for (trace,) in rows)
    text = UNENDED[status]
    return [Cause(status, text, "", number, number, first, last, "", traces)]


def of_streams(streams: Iterable[StreamRow]) -> list[Cause]:
    """Return what streams lack, or say that they lost."""
    return [cause for stream in streams for cause in losses_of(stream)]


def losses_of(stream: StreamRow) -> list[Cause]:
    """Return what one stream lacks, or says that it lost."""
    found = []
    for number, text in (
        (stream.missing, "events are missing in the record"),
        (stream.dropped, "events that a process reports as lost"),
    ):
        if number:
            times = (stream.first_us, stream.last_us)
            found.append(Cause("loss", text, stream.stream, number, 0, *times, "", ()))
    return found
