"""Reads the events of one tenant in the order of their chains, stream after stream."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final

from chaukas.sdk.integrity import Removed, Sent
from chaukas.store.chains import with_gaps
from chaukas.store.cursor import cursor_of, read_cursor

from .where import of_tenant

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

__all__ = ("chained_after",)

_KIND: Final = "chains"
_BARE: Final = -(2**62)
"""In a cursor: for events without a number, which come before the others."""
_END: Final = 2**62


def chained_after(
    sql: sqlite3.Connection, tenant: str | None, cursor: str
) -> Iterator[tuple[str, bytes | Removed | Sent]]:
    """
    Yield events as recorded, each with the cursor behind it.

    First those that are in no stream. Then of each stream what is known of it, and its
    events by their numbers, those without one first; in the place of events that were
    removed on record what is known of them.

    Args:
        sql: A connection.
        tenant: Whose events; None for all.
        cursor: Behind which to begin; empty for the beginning.

    Raises:
        CursorError: The cursor is of something else.
    """
    last = read_cursor(cursor, _KIND, str, int, int)
    stream, seq, number = last or ("", _BARE, 0)
    if stream:
        yield from _of_stream(sql, tenant, stream, (seq, number))
    else:
        yield from _of_none(sql, tenant, number)
    while (sent := _next_stream(sql, tenant, stream)) is not None:
        stream = sent.stream
        yield cursor_of(_KIND, stream, _BARE, 0), sent
        yield from _of_stream(sql, tenant, stream, (_BARE, 0))


def _of_none(
    sql: sqlite3.Connection, tenant: str | None, number: int
) -> Iterator[tuple[str, bytes]]:
    mine, values = of_tenant("+e", tenant)
    rows = sql.execute(
        "SELECT e.id, b.line FROM event e JOIN body b ON b.id = e.id"
        f" WHERE e.stream IS NULL AND e.id > ? AND {mine} ORDER BY e.id",
        (number, *values),
    )
    for place, line in rows:
        yield cursor_of(_KIND, "", _BARE, place), _bytes(line)


def _next_stream(
    sql: sqlite3.Connection, tenant: str | None, stream: str
) -> Sent | None:
    """Return what is known of the stream behind another one, by their names."""
    mine, values = of_tenant("t", tenant)
    row = sql.execute(
        "SELECT t.stream, min(t.min_seq), max(t.max_seq) FROM stream t"
        f" WHERE t.stream > ? AND {mine} GROUP BY t.stream ORDER BY t.stream LIMIT 1",
        (stream, *values),
    ).fetchone()
    if row is None:
        return None
    name, first, last = row
    return Sent(name, first, last, _is_shared(sql, tenant, name))


def _is_shared(sql: sqlite3.Connection, tenant: str | None, stream: str) -> bool:
    """
    Return whether other tenants have events in a stream.

    Nothing else is told of them: holes in the numbers of one's own show as much.
    """
    if tenant is None:
        return False
    query = "SELECT 1 FROM stream WHERE stream = ? AND tenant <> ? LIMIT 1"
    return sql.execute(query, (stream, tenant)).fetchone() is not None


def _of_stream(
    sql: sqlite3.Connection, tenant: str | None, stream: str, last: tuple[int, int]
) -> Iterator[tuple[str, bytes | Removed]]:
    mine, values = of_tenant("t", tenant)
    ids = sql.execute(
        f"SELECT t.id FROM stream t WHERE t.stream = ? AND {mine}", (stream, *values)
    ).fetchall()
    # One process may record for several tenants: its events are one chain.
    places = heapq.merge(*(_places(sql, number, last) for (number,) in ids))
    removed: Iterator[Removed] = iter(())
    # What is not here of a shared one may be others' as well as removed.
    if not _is_shared(sql, tenant, stream):
        removed = _removed(sql, stream, last[0])
    found = with_gaps(
        ((None if place[0] == _BARE else place[0], place) for place in places), removed
    )
    for one in found:
        if isinstance(one, Removed):
            yield cursor_of(_KIND, stream, one.last, _END), one
        else:
            yield cursor_of(_KIND, stream, *one), _line(sql, one[1])


def _places(
    sql: sqlite3.Connection, stream: int, last: tuple[int, int]
) -> Iterator[tuple[int, int]]:
    """Yield numbers in the stream and in the store, in the order of the index."""
    if last[0] == _BARE:
        bare = sql.execute(
            "SELECT e.id FROM event e WHERE e.stream = ? AND e.seq IS NULL"
            " AND e.id > ? ORDER BY e.id",
            (stream, last[1]),
        )
        yield from ((_BARE, number) for (number,) in bare)
    yield from sql.execute(
        "SELECT e.seq, e.id FROM event e WHERE e.stream = ? AND (e.seq, e.id) > (?, ?)"
        " ORDER BY e.seq, e.id",
        (stream, *last),
    )


def _removed(sql: sqlite3.Connection, stream: str, seq: int) -> Iterator[Removed]:
    rows = sql.execute(
        "SELECT stream, first, last, before, hash FROM removed"
        " WHERE stream = ? AND first > ? ORDER BY first",
        (stream, seq),
    )
    return (Removed(*row) for row in rows)


def _line(sql: sqlite3.Connection, number: int) -> bytes:
    # The events are large: they are read one by one.
    found = sql.execute("SELECT line FROM body WHERE id = ?", (number,)).fetchone()
    return _bytes(found[0]) if found else b"?"


def _bytes(line: object) -> bytes:
    # Somebody may have put a text in its place.
    return line if type(line) is bytes else str(line).encode()
