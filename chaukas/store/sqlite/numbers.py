"""
Sums by group over the SQLite store: from the sums by day where they suffice.

Percentiles come from buckets, which add up; see `buckets`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from chaukas.store.buckets import bucket_of
from chaukas.store.fold import DAY_SUMS, NO_BUCKET
from chaukas.store.tally import NAMED, TIMES, date_of, tally

from .where import RUN_DURATION, matching, of_events, of_runs, run_status

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from chaukas.store.answers import Numbers
    from chaukas.store.filter import Filter
    from chaukas.store.tally import Counted, Question

    from .where import Condition

__all__ = ("answer", "event_stats")

_DAY_S: Final = 86_400

_DAY_BY: Final = {
    "day": "d.day",
    "agent": "d.agent",
    "tenant": "d.tenant",
    "project": "d.project",
    "model": "d.name",
    "tool": "d.name",
    "server": "d.name",
    "to": "d.name",
}
_EVENT_BY: Final = {
    "agent": "e.agent",
    "model": "e.name",
    "tool": "e.name",
    "server": "e.name",
    "to": "e.name",
    "tenant": "e.tenant",
    "project": "e.project",
    "framework": "e.framework",
    "user": "e.user",
    "session": "coalesce(s.session, '')",
    "status": "e.status",
}
_RUN_BY: Final = {
    "agent": "coalesce((SELECT p.name FROM run_path p WHERE p.run = r.id"
    " ORDER BY p.key LIMIT 1), '')",
    "tenant": "r.tenant",
    "project": "r.project",
    "framework": "r.framework",
    "user": "r.user",
    "session": "r.session",
}
_DAY_SUMS: Final = [f"d.{name}" for name in DAY_SUMS]
_DAY_FILTERS: Final = {"tenant": "d.tenant", "project": "d.project", "agent": "d.agent"}


def answer(
    sql: sqlite3.Connection,
    question: Question,
    filter_: Filter,
    tenant: str | None,
    live: frozenset[str] | None,
    limit: int,
) -> Numbers:
    """Return the sums."""
    width_s = 0
    if question.of == "run":
        where = of_runs(filter_, tenant, live)
        width_s = _width(sql, question, "run r", where, "r.first")
        found = _of_runs(sql, question, where, live, width_s)
    elif _is_by_day(question, filter_):
        found = _of_days(sql, question, filter_, tenant)
    else:
        where = of_events(filter_, tenant, live)
        what = f"{_EVENTS} AND e.of = '{question.of}'"
        width_s = _width(sql, question, what, where, "e.at")
        found = _of_events(sql, question, where, width_s)
    return tally(question, found, limit, width_s if "time" in question.by else None)


# Joined so that further conditions can follow.
_EVENTS: Final = (
    "event e LEFT JOIN run r ON r.id = e.run LEFT JOIN session s ON s.id = e.session"
    " WHERE 1"
)


def _is_by_day(question: Question, filter_: Filter) -> bool:
    """Return whether the sums by day can answer it."""
    named = {word for word, what in NAMED.items() if what == question.of}
    return set(question.by) <= _DAY_BY.keys() and filter_.fields <= (
        _DAY_FILTERS.keys() | (named - {"to"})
    )


def _of_days(
    sql: sqlite3.Connection, question: Question, filter_: Filter, tenant: str | None
) -> Iterable[Counted]:
    # Rows for each name alone are few; those for agents and durations too are many.
    asked = {*question.by, *filter_.fields}
    is_by_name = not asked & {"agent", "project"}
    table, bucket = ("day_name", "d.durations") if is_by_name else ("day", "d.bucket")
    columns = [_DAY_BY[word] for word in question.by]
    conditions = ["d.of IN (?, 'retry')"]
    params: list[Any] = [question.of]
    if tenant is not None:
        conditions.append("d.tenant = ?")
        params.append(tenant)
    for term in filter_.terms:
        column = _DAY_FILTERS.get(term.field, "d.name")
        condition, values = matching(column, term.values)
        conditions.append(f"NOT {condition}" if term.is_not else condition)
        params += values
    groups = "" if is_by_name else " GROUP BY d.of, " + ", ".join((*columns, bucket))
    # Never too large, as the sum of whole numbers may be.
    sums = [f"total({one})" for one in _DAY_SUMS]
    rows = sql.execute(
        f"SELECT d.of, {''.join(f'{column}, ' for column in columns)} {bucket}, "
        + ", ".join(_DAY_SUMS if is_by_name else sums)
        + f" FROM {table} d WHERE {' AND '.join(conditions)}{groups}",
        params,
    )
    return _counted(rows, question, is_day=True)


def _of_events(
    sql: sqlite3.Connection, question: Question, where: Condition, width_s: int
) -> Iterable[Counted]:
    condition, params = where
    columns = [_time(word, "e.at", width_s) or _EVENT_BY[word] for word in question.by]
    keys = "".join(f"{column}, " for column in columns)
    rows = sql.execute(
        f"SELECT e.of, {keys} coalesce(e.bucket, {NO_BUCKET}),"
        " sum(e.of <> 'retry'), sum(e.status = 'failed' AND e.of <> 'retry'),"
        " sum(e.status = 'cancelled'), sum(e.of = 'retry'),"
        " total(e.input_tokens), total(e.output_tokens), total(e.cached_tokens),"
        " total(e.cost), total(e.unpriced), total(e.duration_ms) * 1000"
        f" FROM {_EVENTS} AND e.of IN (?, 'retry') AND {condition}"
        f" GROUP BY {keys} e.of, e.bucket",
        [question.of, *params],
    )
    return _counted(rows, question)


def _of_runs(
    sql: sqlite3.Connection,
    question: Question,
    where: Condition,
    live: frozenset[str] | None,
    width_s: int,
) -> Iterable[Counted]:
    condition, params = where
    status, status_params = run_status(live)
    columns: list[str] = []
    keys: list[Any] = []
    for word in question.by:
        if word == "status":
            columns.append(status)
            keys += status_params
        else:
            columns.append(_time(word, "r.first", width_s) or _RUN_BY[word])
    sql.create_function("bucket", 1, bucket_of, deterministic=True)
    rows = sql.execute(
        "SELECT 'run',"
        f" {''.join(f'{column} AS k{n}, ' for n, column in enumerate(columns))}"
        f" bucket(max(0.0, {RUN_DURATION})) AS b, count(*),"
        f" sum(({status}) = 'failed'), sum(({status}) = 'cancelled'), sum(r.retries),"
        " total(r.input_tokens), total(r.output_tokens), total(r.cached_tokens),"
        f" total(r.cost), sum(r.unpriced), total(max(0.0, {RUN_DURATION})) * 1000"
        f" FROM run r WHERE {condition}"
        f" GROUP BY {''.join(f'k{n}, ' for n in range(len(columns)))} b",
        [*keys, *status_params, *status_params, *params],
    )
    return _counted(rows, question)


def _counted(
    rows: Iterable[Sequence[Any]], question: Question, *, is_day: bool = False
) -> Iterator[Counted]:
    size = len(question.by)
    for row in rows:
        of, values, bucket = row[0], row[1 : 1 + size], row[1 + size]
        if of == "retry" and not question.counts_retries:
            continue
        words = zip(question.by, values, strict=True)
        key = tuple(_shown(word, value, is_day=is_day) for word, value in words)
        yield key, bucket, row[2 + size :]


def _shown(word: str, value: Any, *, is_day: bool) -> str:
    if word == "day":
        return date_of(value * _DAY_S if is_day else value)
    return str(value)


def _time(word: str, column: str, width_s: int) -> str:
    if word not in TIMES:
        return ""
    return f"({column} / {width_s * 1_000_000}) * {width_s}"


def _width(
    sql: sqlite3.Connection,
    question: Question,
    source: str,
    where: Condition,
    column: str,
) -> int:
    """Return the length of an interval in seconds."""
    if "time" not in question.by:
        return question.width_s(0, 0)
    condition, params = where
    glue = "AND" if " WHERE " in source else "WHERE"
    first, last = sql.execute(
        f"SELECT min({column}), max({column}) FROM {source} {glue} {condition}",
        params,
    ).fetchone()
    return question.width_s(first or 0, last or 0)


def event_stats(
    sql: sqlite3.Connection, events: Condition, sessions: Condition
) -> tuple[dict[str, int], int, float]:
    """Return events by type, the number of sessions, and their mean duration in ms."""
    condition, params = events
    rows = sql.execute(
        "SELECT e.type, count(*) FROM event e LEFT JOIN run r ON r.id = e.run"
        f" LEFT JOIN session s ON s.id = e.session WHERE {condition} GROUP BY e.type",
        params,
    )
    counts = {name: int(number) for name, number in rows if name}
    condition, params = sessions
    number, mean_us = sql.execute(
        "SELECT count(*), avg(s.last - s.first) FROM session s WHERE " + condition,
        params,
    ).fetchone()
    return counts, int(number), (mean_us or 0.0) / 1000
