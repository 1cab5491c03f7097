"""
Sums by group over the SQLite store: from the sums by day where they suffice.

Percentiles come from buckets, which add up; see `buckets`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from chaukas.store.answers import NumberRow, Numbers
from chaukas.store.buckets import bucket_of, quantile_ms
from chaukas.store.facts import PICO
from chaukas.store.fold import NO_BUCKET
from chaukas.store.protocol import BY, OF

from .where import RUN_DURATION, matching, of_events, of_runs, run_status

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from chaukas.store.filter import Filter

    from .where import Condition

__all__ = ("Question", "answer", "number_row", "question_of", "tally_rows", "width_for")

_WIDTHS_S: Final = {"minute": 60, "hour": 3600, "day": 86_400}
_LADDER_S: Final = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600,
    43_200, 86_400, 172_800, 604_800, 2_592_000, 31_536_000,
)  # fmt: skip
_INTERVALS: Final = 120
_NAMES: Final = {"model": "model", "tool": "tool", "server": "mcp", "to": "handoff"}
"""What a name is of, by the word that it is grouped by."""
_TIMES: Final = ("time", "minute", "hour", "day")

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
_DAY_FILTERS: Final = {"tenant": "d.tenant", "project": "d.project", "agent": "d.agent"}


@dataclass(frozen=True, slots=True)
class Question:
    """What is counted, and by what."""

    by: tuple[str, ...]
    of: str


def question_of(by: Sequence[str], of: str) -> Question:
    """
    Return the question, or say why it is none.

    Raises:
        ValueError: A word is unknown, or the words do not go together.
    """
    for word in by:
        if word not in BY:
            raise ValueError(f"cannot group by {word!r}, but by {', '.join(BY)}")
    if len(set(by)) != len(by) or sum(word in _TIMES for word in by) > 1:
        raise ValueError("cannot group by the same thing twice")
    kinds = {_NAMES[word] for word in by if word in _NAMES}
    if len(kinds) > 1:
        raise ValueError("cannot group by models, tools and servers at the same time")
    implied = next(iter(kinds), "")
    of = of or implied or ("agent" if list(by) == ["agent"] else "run")
    if of not in OF:
        raise ValueError(f"cannot count {of!r}, but {', '.join(OF)}")
    if implied and of != implied:
        raise ValueError(f"{of} has no {by[0]}: count {implied}s, or group otherwise")
    return Question(tuple(by), of)


def answer(
    sql: sqlite3.Connection,
    question: Question,
    filter_: Filter,
    tenant: str | None,
    live: frozenset[str] | None,
    limit: int,
) -> Numbers:
    """Return the sums."""
    width_s = None
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
    return tally_rows(
        question, found, limit, width_s if "time" in question.by else None
    )


# Joined so that further conditions can follow.
_EVENTS: Final = (
    "event e LEFT JOIN run r ON r.id = e.run LEFT JOIN session s ON s.id = e.session"
    " WHERE 1"
)

Counted = tuple[tuple[str, ...], int, tuple[float, ...]]
"""Key, bucket, and sums: count, failed, cancelled, retries, three of tokens, cost, …"""


def _is_by_day(question: Question, filter_: Filter) -> bool:
    """Return whether the sums by day can answer it."""
    named = {word for word, what in _NAMES.items() if what == question.of}
    return set(question.by) <= _DAY_BY.keys() and filter_.fields <= (
        _DAY_FILTERS.keys() | (named - {"to"})
    )


def _of_days(
    sql: sqlite3.Connection, question: Question, filter_: Filter, tenant: str | None
) -> Iterable[Counted]:
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
    # All parts are words of this module.
    rows = sql.execute(
        f"SELECT d.of, {''.join(f'{column}, ' for column in columns)} d.bucket,"
        " sum(d.count), sum(d.failed), sum(d.cancelled), sum(d.retries),"
        " total(d.input_tokens), total(d.output_tokens), total(d.cached_tokens),"
        " total(d.cost), sum(d.unpriced), total(d.duration_us)"
        f" FROM day d WHERE {' AND '.join(conditions)}"
        f" GROUP BY {''.join(f'{column}, ' for column in columns)} d.of, d.bucket",
        params,
    )
    return _counted(rows, question, None)


def _of_events(
    sql: sqlite3.Connection, question: Question, where: Condition, width_s: int | None
) -> Iterable[Counted]:
    condition, params = where
    columns = [_time(word, "e.at", width_s) or _EVENT_BY[word] for word in question.by]
    keys = "".join(f"{column}, " for column in columns)
    # All parts are words of this module.
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
    return _counted(rows, question, width_s)


def _of_runs(
    sql: sqlite3.Connection,
    question: Question,
    where: Condition,
    live: frozenset[str] | None,
    width_s: int | None,
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
    # All parts are words of this module.
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
    return _counted(rows, question, width_s)


def _counted(
    rows: Iterable[Sequence[Any]], question: Question, width_s: int | None
) -> Iterable[Counted]:
    size = len(question.by)
    for row in rows:
        of, key, bucket = row[0], row[1 : 1 + size], row[1 + size]
        sums = tuple(row[2 + size :])
        named = any(word in _NAMES and word != "model" for word in question.by)
        if of == "retry" and (question.of == "handoff" or named):
            # A retry names the model whose call it repeats, and no tool.
            continue
        if of == "retry" and question.of in {"tool", "mcp"}:
            continue
        words = zip(question.by, key, strict=True)
        yield tuple(_shown(word, value, width_s) for word, value in words), bucket, sums


def _shown(word: str, value: Any, width_s: int | None) -> str:
    if word == "day" and type(value) is int and width_s is None:
        return _date(value * 86_400)
    if word == "day":
        return _date(value)
    return str(value)


def _date(seconds: int) -> str:
    from datetime import datetime, timezone

    try:
        return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d")
    except (OverflowError, OSError, ValueError):
        return "?"


def _time(word: str, column: str, width_s: int | None) -> str:
    if word not in _TIMES or width_s is None:
        return ""
    return f"({column} / {width_s * 1_000_000}) * {width_s}"


def _width(
    sql: sqlite3.Connection,
    question: Question,
    source: str,
    where: Condition,
    column: str,
) -> int | None:
    """Return the length of an interval in seconds, if it is grouped by time."""
    word = next((word for word in question.by if word in _TIMES), "")
    if word != "time":
        return _WIDTHS_S.get(word)
    condition, params = where
    glue = "AND" if " WHERE " in source else "WHERE"
    # All parts are words of this module.
    first, last = sql.execute(
        f"SELECT min({column}), max({column}) FROM {source} {glue} {condition}",
        params,
    ).fetchone()
    return width_for(first or 0, last or 0)


def width_for(first_us: int, last_us: int) -> int:
    """Return the shortest interval in seconds of which at most 120 are needed."""
    for width_s in _LADDER_S:
        step = width_s * 1_000_000
        if last_us // step - first_us // step < _INTERVALS:
            return width_s
    return _LADDER_S[-1]


def tally_rows(
    question: Question, found: Iterable[Counted], limit: int, width_s: int | None
) -> Numbers:
    """Return the answer that sums by key and bucket make up."""
    sums: dict[tuple[str, ...], list[float]] = {}
    buckets: defaultdict[tuple[str, ...], dict[int, int]] = defaultdict(dict)
    for key, bucket, numbers in found:
        for place in ((0, key), (1, ())):
            group = (str(place[0]), *place[1])
            known = sums.setdefault(group, [0.0] * 10)
            for index, number in enumerate(numbers):
                known[index] += number or 0
            if bucket != NO_BUCKET and numbers[0]:
                counts = buckets[group]
                counts[bucket] = counts.get(bucket, 0) + int(numbers[0])
    total = number_row((), sums.pop(("1",), [0.0] * 10), buckets[("1",)])
    rows = [
        number_row(group[1:], numbers, buckets[group])
        for group, numbers in sums.items()
        # Of a group with nothing but retries, nothing was counted.
        if numbers[0]
    ]
    is_by_time = any(word in _TIMES for word in question.by)
    rows.sort(key=lambda row: row.key if is_by_time else _rank(row))
    shown = tuple(rows[:limit])
    return Numbers(
        question.by, question.of, shown, total, width_s, len(rows) > len(shown)
    )


def _rank(row: NumberRow) -> tuple[Any, ...]:
    return (-row.cost_usd, -row.count, *row.key)


def number_row(
    key: tuple[str, ...], sums: Sequence[float], buckets: dict[int, int]
) -> NumberRow:
    """Return one group's row from its sums and its durations by bucket."""
    whole = [round(number) for number in sums]
    return NumberRow(
        key, whole[0], whole[1], whole[2], whole[3], whole[4], whole[5], whole[6],
        whole[7] / PICO, whole[8],
        quantile_ms(buckets, 0.5), quantile_ms(buckets, 0.95), round(sums[9] / 1000, 3),
    )  # fmt: skip
