"""Reads what can still be read of a damaged store, and puts it into a new one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from chaukas.store.facts import event_of, facts_of
from chaukas.store.protocol import Batch
from chaukas.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ("Recovered", "recover")

_AT_ONCE: Final = 1024


class Recovered(NamedTuple):
    """What became of the events of a damaged store."""

    events: int
    """Those in the new store."""
    unreadable: int
    """Numbers of events under which nothing could be read."""


def recover(
    source: Path, target: Path, noted: Callable[[int], None] = lambda _events: None
) -> Recovered:
    """
    Copy every event that can be read; the damaged file is not changed.

    Args:
        source: The damaged store's file.
        target: Of a new store; it must not be there.
        noted: Is told how many events are in the new store so far.

    Raises:
        sqlite3.DatabaseError: Nothing at all can be read, or nothing written.
    """
    found = unreadable = 0
    with (
        closing(
            sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)
        ) as sql,
        closing(SqliteStore(target)) as store,
    ):
        _copy_streams(sql, store)
        for first in range(1, _last(sql) + 1, _AT_ONCE):
            rows, failed = _rows(sql, first, first + _AT_ONCE - 1)
            unreadable += failed
            for verdict in store.ingest_all(list(_batches(sql, rows))):
                found += verdict.accepted
                unreadable += len(verdict.rejected)
            noted(found)
        _copy_notes(sql, store)
    return Recovered(found, unreadable)


def _copy_streams(sql: sqlite3.Connection, store: SqliteStore) -> None:
    """Copy which numbers of each stream ever came: those not here are missing."""
    known = _all(
        sql,
        "SELECT stream, tenant, first, last, min_seq, max_seq, dropped, heard"
        " FROM stream ORDER BY id",
    )
    # What was removed on record did come, and counts as of one of the tenants.
    removed = dict(
        _all(sql, "SELECT stream, sum(last - first + 1) FROM removed GROUP BY stream")
    )
    rows = [(*row, removed.pop(row[0], 0)) for row in known]
    with store.transaction() as new:
        new.executemany(
            # A damaged row is none.
            "INSERT OR IGNORE INTO stream (stream, tenant, first, last, min_seq,"
            " max_seq, dropped, heard, numbered, events)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
            rows,
        )


_NOTES: Final = {
    "action": "id, name, at, events, is_done",
    "removed": "id, stream, first, last, before, hash, action",
    "anchor": "name, number, hash",
}
"""What was removed on record, without which a check would miss it; by table."""


def _copy_notes(sql: sqlite3.Connection, store: SqliteStore) -> None:
    """Copy what a store knows beside its events, as far as it can be read."""
    for table, columns in _NOTES.items():
        # Tables and columns are words of this module.
        rows = _all(sql, f"SELECT {columns} FROM {table}")  # noqa: S608
        marks = ", ".join("?" for _ in columns.split(","))
        into = f"INSERT OR REPLACE INTO {table} ({columns}) VALUES ({marks})"  # noqa: S608
        with store.transaction() as new:
            new.executemany(into, rows)
    for tenant, *limits in _all(
        sql, "SELECT tenant, most_events, most_bytes FROM quota"
    ):
        store.set_quota(tenant, *limits)


def _all(sql: sqlite3.Connection, statement: str) -> list[tuple[Any, ...]]:
    try:
        return sql.execute(statement).fetchall()
    except sqlite3.DatabaseError:
        # Damaged, or of a chaukas that had no such table.
        return []


def _last(sql: sqlite3.Connection) -> int:
    """Return the largest number that an event may have."""
    found = [_last_in(sql, table) for table in ("body", "event", "words_docsize")]
    known = [number for number in found if number is not None]
    if not known:
        raise sqlite3.DatabaseError("none of its tables is one of events")
    return max(known)


def _last_in(sql: sqlite3.Connection, table: str) -> int | None:
    # The table is a word of this module.
    statement = f"SELECT coalesce(max(rowid), 0) FROM {table}"  # noqa: S608
    try:
        (number,) = sql.execute(statement).fetchone()
    except sqlite3.DatabaseError:
        return None
    return int(number)


def _rows(
    sql: sqlite3.Connection, first: int, last: int
) -> tuple[list[tuple[int, bytes]], int]:
    """Return the readable events of a range, and how many are not."""
    try:
        statement = "SELECT id, line FROM body WHERE id BETWEEN ? AND ? ORDER BY id"
        return sql.execute(statement, (first, last)).fetchall(), 0
    except sqlite3.DatabaseError:
        if first == last:
            return [], 1
    middle = (first + last) // 2
    left, missing = _rows(sql, first, middle)
    right, further = _rows(sql, middle + 1, last)
    return left + right, missing + further


def _batches(sql: sqlite3.Connection, rows: list[tuple[int, bytes]]) -> Iterator[Batch]:
    """Yield the events of each tenant and project, in the order of arrival."""
    batch: Batch | None = None
    lines: list[bytes] = []
    for number, line in rows:
        whose = _whose(sql, number, line)
        if batch is None or whose != (batch.tenant, batch.project):
            lines = []
            if batch is not None:
                yield batch
            batch = Batch(lines, *whose)
        lines.append(line)
    if batch is not None:
        yield batch


def _whose(sql: sqlite3.Connection, number: int, line: bytes) -> tuple[str, str]:
    """Return tenant and project of an event, if need be by what it says itself."""
    statement = "SELECT tenant, project FROM event WHERE id = ?"
    try:
        row = sql.execute(statement, (number,)).fetchone()
    except sqlite3.DatabaseError:
        row = None
    if row is None:
        fact = facts_of(event_of(line) or {}, line)
        row = (fact.tenant, fact.project)
    return row[0], row[1]
