"""Finds what is wrong with a SQLite store: in its file, its chains, its columns."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

from chaukas.sdk.integrity import Sent
from chaukas.store.chains import findings_of, removal_finding
from chaukas.store.facts import event_of, facts_of
from chaukas.store.protocol import Finding
from chaukas.store.sqlite.connection import connect

from .ledger import ranges_in, removals_in

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from chaukas.sdk.integrity import Removed
    from chaukas.store.protocol import Removal

__all__ = ("findings_in",)


def findings_in(
    path: Path,
    is_on_record: Callable[[Removal], bool],
    noted: Callable[[int, int], None],
) -> Iterator[Finding]:
    """Yield what is wrong with a store, which may be in use; see `Store.check`."""
    with closing(connect(path, is_durable=True)) as sql:
        sql.execute("PRAGMA temp_store = FILE")
        sql.execute("PRAGMA query_only = 1")
        sql.execute("BEGIN")
        try:
            for (text,) in sql.execute("PRAGMA integrity_check(20)"):
                if text != "ok":
                    yield Finding(f"the file is damaged: {text}")
            note = _counter(sql, noted)
            invalid: set[int] = set()
            yield from _removals(sql, is_on_record, invalid)
            yield from _chains(sql, invalid, note)
            yield from _columns(sql, note)
        except sqlite3.DatabaseError as error:
            yield Finding(f"the file is damaged: {error}")


def _counter(
    sql: sqlite3.Connection, noted: Callable[[int, int], None]
) -> Callable[[], None]:
    # Each event is looked at in its chain, and by itself.
    (events,) = sql.execute("SELECT coalesce(sum(events), 0) FROM total").fetchone()
    done = 0

    def note() -> None:
        nonlocal done
        done += 1
        if done % _EVERY == 0:
            noted(done, 2 * events)

    return note


_EVERY: Final = 1000


def _removals(
    sql: sqlite3.Connection,
    is_on_record: Callable[[Removal], bool],
    invalid: set[int],
) -> Iterator[Finding]:
    """Yield what was removed; add the numbers of removals that nobody recorded."""
    for removal, name, at_us, is_done in removals_in(sql):
        is_valid = is_on_record(removal)
        if not is_valid:
            invalid.add(removal.number)
        yield removal_finding(removal, name, at_us, is_valid=is_valid, is_done=is_done)


def _chains(
    sql: sqlite3.Connection, invalid: Collection[int], note: Callable[[], None]
) -> Iterator[Finding]:
    removed: dict[str, list[Removed]] = {}
    for number, one in ranges_in(sql):
        if number not in invalid:
            removed.setdefault(one.stream, []).append(one)
    # One process may record for several tenants: its events are one chain.
    streams = sql.execute(
        "SELECT stream, group_concat(tenant, ', '), min(min_seq), max(max_seq)"
        " FROM stream GROUP BY stream ORDER BY min(id)"
    ).fetchall()
    for stream, tenants, *ends in streams:
        ranges = sorted(removed.get(stream, ()), key=lambda one: one.first)
        lines = _lines(sql, stream, note)
        yield from findings_of(Sent(stream, *ends), tenants, lines, ranges)


def _lines(
    sql: sqlite3.Connection, stream: str, note: Callable[[], None]
) -> Iterator[tuple[int | None, bytes]]:
    # Sorted without the events themselves, which are large.
    rows = sql.execute(
        "SELECT e.seq, e.id FROM event e"
        " WHERE e.stream IN (SELECT id FROM stream WHERE stream = ?)"
        " ORDER BY e.seq, e.id",
        (stream,),
    )
    for seq, number in rows:
        note()
        found = sql.execute("SELECT line FROM body WHERE id = ?", (number,)).fetchone()
        line = found[0] if found else b"?"
        # Somebody may have put a text in its place.
        yield seq, line if type(line) is bytes else str(line).encode()


_COLUMNS: Final = (
    "event_id at type kind side status span parent agent name text user framework"
    " outcome duration_ms input_tokens output_tokens cost seq"
).split()
_FACTS: Final = {"at": "at_us", "cost": "cost_pico"}
_COUNTED: Final = frozenset({"input_tokens", "output_tokens"})


def _columns(sql: sqlite3.Connection, note: Callable[[], None]) -> Iterator[Finding]:
    names = ", ".join(f"e.{name}" for name in _COLUMNS)
    # The columns are words of this module.
    query = f"SELECT b.line, {names} FROM event e LEFT JOIN body b ON b.id = e.id"
    for line, *values in sql.execute(query):
        note()
        event = event_of(line) if type(line) is bytes else None
        if event is None:
            text = f"Event {values[0]!r} is damaged: what was recorded cannot be read."
            yield Finding(text)
            continue
        fact = facts_of(event, line)
        for name, value in zip(_COLUMNS, values, strict=True):
            wanted = getattr(fact, _FACTS.get(name, name))
            if value != wanted and not (name in _COUNTED and value is None):
                text = f"Event {values[0]!r} was altered: its {name} is another."
                yield Finding(text)
                break
