"""
Removes events for good, and takes them out of all sums.

Sums of runs and sessions are made anew from what is left of them, those of days are
reduced; what a stream sent stays counted, so that nothing looks lost.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from chaukas.store.facts import Facts, event_of, facts_of
from chaukas.store.fold import DAY_SUMS, day_key, day_sums, fold
from chaukas.store.sqlite.batch import EventBatch
from chaukas.store.sqlite.quota import release
from chaukas.store.sqlite.totals import add_day_names, add_totals, counted
from chaukas.store.sqlite.words import DELETE_WORDS, words_row

from .ledger import note_done, write_down

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from chaukas.store.protocol import Removal
    from chaukas.store.sqlite.connection import Writing

__all__ = ("remove",)

_AT_A_TIME: Final = 1000
_DAY_KEY: Final = "tenant project day of agent name bucket".split()


def remove(
    store: Writing,
    work: sqlite3.Connection,
    name: str,
    recorded: Callable[[Removal], None],
    noted: Callable[[int, int], None],
) -> int:
    """
    Remove the events that stand in the temporary table `erased`; return how many.

    What will be gone from which stream is written down first, so that nothing looks
    lost. A writer can go on between one thousand and the next. Afterwards nothing of
    them is left in the file: freed pages are overwritten, and the log is emptied.

    Args:
        store: Where from.
        work: A connection to it, with that table.
        name: Of what is done, such as `erase`.
        recorded: Is told what will be removed.
        noted: Is told how many are gone so far, and how many there are.
    """
    (total,) = work.execute("SELECT count(*) FROM erased").fetchone()
    if not total:
        return 0
    write_down(store, work, name, total, recorded)
    with store.transaction() as sql:
        sql.execute("PRAGMA secure_delete = ON")
    removed = last = 0
    while ids := _following(work, last):
        last = ids[-1]
        with store.transaction() as sql:
            rows = _rows(sql, _THESE, (json.dumps(ids),))
            if rows:
                _remove_rows(sql, rows)
        removed += len(rows)
        noted(removed, total)
    note_done(store)
    store.shrink()
    return removed


_THESE: Final = "e.id IN (SELECT value FROM json_each(?)) ORDER BY e.id"


def _following(work: sqlite3.Connection, last: int) -> list[int]:
    rows = work.execute(
        "SELECT id FROM erased WHERE id > ? ORDER BY id LIMIT ?", (last, _AT_A_TIME)
    )
    return [number for (number,) in rows]


class _Row:
    """One event with the numbers of the rows that it counts in."""

    def __init__(self, row: Sequence[Any]) -> None:
        self.id, self.run, self.session = row[:3]
        tenant, project, line = row[3:]
        self.fact: Facts = facts_of(event_of(line) or {}, line)
        self.fact = self.fact._replace(tenant=tenant, project=project)


def _rows(sql: sqlite3.Connection, rest: str, params: Sequence[Any]) -> list[_Row]:
    rows = sql.execute(
        "SELECT e.id, e.run, e.session, e.tenant, e.project, b.line FROM event e"
        f" JOIN body b ON b.id = e.id WHERE {rest}",
        params,
    )
    return [_Row(row) for row in rows]


def _remove_rows(sql: sqlite3.Connection, rows: list[_Row]) -> None:
    ids = json.dumps([row.id for row in rows])
    these = "IN (SELECT value FROM json_each(?))"
    sql.execute(
        "INSERT OR REPLACE INTO fact VALUES ('last event',"
        " (SELECT max(n) FROM (SELECT max(id) AS n FROM event UNION ALL"
        " SELECT value FROM fact WHERE name = 'last event')))"
    )
    indexed = {
        number
        for (number,) in sql.execute(
            f"SELECT id FROM words_docsize WHERE id {these}", (ids,)
        )
    }
    # A full text without its contents must be told what it forgets.
    sql.executemany(
        DELETE_WORDS,
        [words_row(row.id, row.fact) for row in rows if row.id in indexed],
    )
    for table, column in (("event", "id"), ("body", "id"), ("label", "event")):
        sql.execute(f"DELETE FROM {table} WHERE {column} {these}", (ids,))
    release(sql, [(row.fact.tenant, len(row.fact.line)) for row in rows])
    _renew(sql, rows)
    _reduce_days(sql, rows)


def _renew(sql: sqlite3.Connection, rows: list[_Row]) -> None:
    """Make the sums of what the rows were part of anew, from what is left."""
    runs = {(row.fact.tenant, row.fact.trace): row.run for row in rows if row.run}
    sessions = {
        (row.fact.tenant, row.fact.project, row.fact.session): row.session
        for row in rows
        if row.session
    }
    before = counted(sql, runs.values(), sessions.values())
    before.update((row.fact.tenant, "events") for row in rows)
    numbers = {
        "run": json.dumps(list(runs.values())),
        "session": json.dumps(list(sessions.values())),
    }
    left: dict[int, _Row] = {}
    for column, texts in numbers.items():
        condition = f"e.{column} IN (SELECT value FROM json_each(?)) ORDER BY e.id"
        left.update((row.id, row) for row in _rows(sql, condition, (texts,)))
        for table, key in _TABLES[column]:
            sql.execute(
                f"DELETE FROM {table} WHERE {key} IN (SELECT value FROM json_each(?))",
                (texts,),
            )
    if left:
        facts = [left[number].fact for number in sorted(left)]
        EventBatch(sql, facts, has_words=False).write_sums(runs, sessions)
    add_totals(sql, before, counted(sql, runs.values(), sessions.values()))


_TABLES: Final = {
    "run": (
        ("run", "id"),
        ("run_name", "run"),
        ("run_path", "run"),
        ("run_open", "run"),
    ),
    "session": (("session", "id"),),
}


def _reduce_days(sql: sqlite3.Connection, rows: list[_Row]) -> None:
    changed = ", ".join(f"{name} = max(0, {name} - ?)" for name in DAY_SUMS)
    key = " AND ".join(f"{name} = ?" for name in _DAY_KEY)
    sql.executemany(
        f"UPDATE day SET {changed} WHERE {key}",
        [(*day_sums(row.fact), *day_key(row.fact)) for row in rows if row.fact.of],
    )
    sql.execute("DELETE FROM day WHERE count <= 0 AND retries <= 0")
    add_day_names(sql, fold(row.fact for row in rows).days, -1)
