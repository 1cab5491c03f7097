"""
Sums over whole tenants and days, which are few: they answer without counting.

Renewed with each batch and each removal, from what changed of the rows that they sum.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final

from chaukas.store.buckets import Histogram
from chaukas.store.fold import DAY_SUMS, MOST, bounded

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

    from chaukas.store.fold import DayKey

__all__ = ("add_day_names", "add_totals", "added", "counted")

_KINDS: Final = ("events", "runs", "sessions")


def counted(
    sql: sqlite3.Connection, runs: Iterable[int], sessions: Iterable[int]
) -> Counter[tuple[str, str]]:
    """Return how many of some runs and sessions are shown, by tenant and kind."""
    found: Counter[tuple[str, str]] = Counter()
    for kind, table, is_shown, ids in (
        ("runs", "run", "is_run", runs),
        ("sessions", "session", "last >= 0", sessions),
    ):
        # All names are words of this module.
        rows = sql.execute(
            f"SELECT tenant, count(*) FROM {table} WHERE {is_shown} AND id IN"
            " (SELECT value FROM json_each(?)) GROUP BY tenant",
            (json.dumps(list(ids)),),
        )
        for tenant, number in rows:
            found[tenant, kind] = number
    return found


def add_totals(
    sql: sqlite3.Connection,
    before: Counter[tuple[str, str]],
    after: Counter[tuple[str, str]],
) -> None:
    """Add the difference to the totals of each tenant."""
    after.subtract(before)
    tenants = {tenant for tenant, _ in after}
    sql.executemany(
        "INSERT INTO total (tenant, events, runs, sessions) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET events = events + excluded.events,"
        " runs = runs + excluded.runs, sessions = sessions + excluded.sessions",
        [(one, *(after[one, kind] for kind in _KINDS)) for one in sorted(tenants)],
    )
    sql.execute("DELETE FROM total WHERE events <= 0 AND runs <= 0 AND sessions <= 0")


def add_day_names(
    sql: sqlite3.Connection, days: Mapping[DayKey, list[int]], sign: int = 1
) -> None:
    """
    Add sums by day to those by day and name alone.

    Args:
        sql: Within a transaction.
        days: As `fold.Deltas.days`.
        sign: -1 to take them out.
    """
    sums: defaultdict[tuple[str, str, int, str], list[int]] = defaultdict(
        lambda: [0] * len(DAY_SUMS)
    )
    durations: defaultdict[tuple[str, str, int, str], Histogram] = defaultdict(
        Histogram
    )
    for (tenant, _, day, of, _, name, bucket), numbers in days.items():
        key = (of, tenant, day, name)
        known = sums[key]
        for index, number in enumerate(numbers):
            known[index] += sign * number
        durations[key].step(bucket, sign * numbers[0])
    rows: list[tuple[Any, ...]] = []
    for key, numbers in sums.items():
        stored = sql.execute(
            "SELECT durations FROM day_name"
            " WHERE of = ? AND tenant = ? AND day = ? AND name = ?",
            key,
        ).fetchone()
        histogram = durations[key]
        if stored is not None:
            histogram.lanes += Histogram(stored[0]).lanes
        rows.append((*key, *bounded(numbers), histogram.finalize()))
    sql.executemany(_ADD, rows)
    if sign < 0:
        sql.execute("DELETE FROM day_name WHERE count <= 0 AND retries <= 0")


def added(column: str) -> str:
    """Return how a column grows by what is new; one that is full stays so."""
    return f"{column} = max(0, min({column} + excluded.{column}, {MOST}))"


# Columns and marks are words of this module.
_ADD: Final = (
    f"INSERT INTO day_name VALUES ({', '.join('?' * 15)})"
    " ON CONFLICT (of, tenant, day, name) DO UPDATE SET "
    + ", ".join(map(added, DAY_SUMS))
    + ", durations = excluded.durations"
)
