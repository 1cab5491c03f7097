"""Gives a store the words that it lacks: of a time without search, or an old form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from chaukas.store.facts import event_of, facts_of
from chaukas.store.sqlite.words import INSERT_WORDS, note_indexed, unindexed, words_row

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from chaukas.store.sqlite.writer import SqliteStore

__all__ = ("index_words",)

_AT_A_TIME: Final = 500


def index_words(
    store: SqliteStore,
    noted: Callable[[int, int], None] = lambda _done, _all: None,
    is_stopping: Callable[[], bool] = lambda: False,
) -> int:
    """
    Add the words of all events that lack them; return of how many.

    A writer can go on between one piece and the next; whoever is stopped in the midst
    goes on there the next time.

    Args:
        store: Where they lack.
        noted: Is told how many events are looked through, and how many there are.
        is_stopping: Whether to leave the rest for the next time.
    """
    with store.transaction() as sql:
        start, end = unindexed(sql)
    added = 0
    at = start
    while at <= end and not is_stopping():
        with store.transaction() as sql:
            at, number = _index_piece(sql, at, end)
        added += number
        noted(min(at, end + 1) - start, end + 1 - start)
    return added


def _index_piece(sql: sqlite3.Connection, start: int, end: int) -> tuple[int, int]:
    rows: list[Any] = sql.execute(
        "SELECT e.id, e.tenant, b.line FROM event e JOIN body b ON b.id = e.id"
        " WHERE e.id BETWEEN ? AND ? AND e.id NOT IN"
        " (SELECT id FROM words_docsize WHERE id BETWEEN ? AND ?)"
        " ORDER BY e.id LIMIT ?",
        (start, end, start, end, _AT_A_TIME),
    ).fetchall()
    found = []
    for number, tenant, line in rows:
        fact = facts_of(event_of(line) or {}, line)
        if fact.words:
            found.append(words_row(number, fact._replace(tenant=tenant)))
    sql.executemany(INSERT_WORDS, found)
    following = rows[-1][0] + 1 if len(rows) == _AT_A_TIME else end + 1
    note_indexed(sql, following, end)
    return following, len(found)
