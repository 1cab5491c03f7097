"""
What was removed from which stream: written down before it is done, and never erased.

A range of numbers with the hashes at its ends, so that a chain can be joined over the
hole: nothing of what the events held.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from chaukas.sdk.integrity import Removed
from chaukas.store.chains import Place, digest_of, places_of, ranges_of
from chaukas.store.protocol import Removal

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

    from chaukas.store.sqlite.connection import Writing

__all__ = ("note_done", "ranges_in", "removals_in", "write_down")


def write_down(
    store: Writing,
    work: sqlite3.Connection,
    name: str,
    events: int,
    recorded: Callable[[Removal], None],
) -> None:
    """
    Note what the events in the temporary table `erased` were in their streams.

    Args:
        store: Where from.
        work: A connection to it, with that table.
        name: Of what is done.
        events: How many they are.
        recorded: Is told of it before it is committed.
    """
    known = [one for _, one in ranges_in(work)]
    found = list(ranges_of(_places(work), known))
    with store.transaction() as sql:
        (number,) = sql.execute(
            "SELECT coalesce(max(id), 0) + 1 FROM action"
        ).fetchone()
        sql.execute(
            "INSERT INTO action VALUES (?, ?, ?, ?, 0)",
            (number, name, time.time_ns() // 1000, events),
        )
        sql.executemany(
            "INSERT INTO removed (stream, first, last, before, hash, action)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            [(*one, number) for one in found],
        )
        recorded(Removal(number, events, digest_of(found)))


def _places(work: sqlite3.Connection) -> Iterator[Place]:
    # Sorted without the events themselves, which are large.
    rows = work.execute(
        "SELECT t.stream, e.seq, e.id FROM erased d JOIN event e ON e.id = d.id"
        " JOIN stream t ON t.id = e.stream WHERE e.seq IS NOT NULL"
        " ORDER BY t.stream, e.seq, e.id"
    )
    for stream, seq, number in rows:
        line = work.execute("SELECT line FROM body WHERE id = ?", (number,)).fetchone()
        yield places_of(stream, seq, line[0] if line else b"")


def note_done(store: Writing) -> None:
    """Note which removals left nothing behind, also those that were interrupted."""
    with store.transaction() as sql:
        sql.execute(
            "UPDATE action SET is_done = 1 WHERE is_done = 0 AND NOT EXISTS"
            " (SELECT 1 FROM removed r JOIN stream t ON t.stream = r.stream"
            " JOIN event e ON e.stream = t.id AND e.seq BETWEEN r.first AND r.last"
            " WHERE r.action = action.id)"
        )


def ranges_in(sql: sqlite3.Connection) -> Iterator[tuple[int, Removed]]:
    """Yield all that was removed, each with the number of its removal."""
    rows = sql.execute(
        "SELECT action, stream, first, last, before, hash FROM removed ORDER BY id"
    )
    for number, *place in rows:
        yield number, Removed(*place)


def removals_in(sql: sqlite3.Connection) -> list[tuple[Removal, str, int, bool]]:
    """Return all removals, each with its name, its moment, and whether it is done."""
    ranges: dict[int, list[Removed]] = {}
    for number, one in ranges_in(sql):
        ranges.setdefault(number, []).append(one)
    rows = sql.execute("SELECT id, name, at, events, is_done FROM action ORDER BY id")
    found = [
        (Removal(n, events, digest_of(ranges.pop(n, []))), name, at, bool(is_done))
        for n, name, at, events, is_done in rows
    ]
    # Ranges of a removal that nobody made.
    for number, rest in ranges.items():
        found.append((Removal(number, 0, digest_of(rest)), "?", 0, True))
    return found
