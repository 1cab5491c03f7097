"""
Reads the SQLite store for one tenant: the tenant is in every condition.

A reader has a connection of its own, and sees what is committed while others write.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Literal

from chaukas.store.answers import (
    Cause,
    EventRow,
    Label,
    Numbers,
    Page,
    RunRow,
    SearchHit,
    SessionRow,
    StreamRow,
)
from chaukas.store.cursor import cursor_of, read_cursor
from chaukas.store.filter import Filter, Term
from chaukas.store.fold import LAST_MOMENT
from chaukas.store.protocol import NotFoundError
from chaukas.store.snippet import phrases_of
from chaukas.store.tally import question_of

from . import numbers as counted
from . import trouble
from .chained import chained_after
from .rows import (
    EVENT_COLUMNS,
    LABEL_COLUMNS,
    PAGE_BYTES,
    RUN_BYTES,
    RUN_COLUMNS,
    SESSION_COLUMNS,
    VALUES,
    event_row,
    hit_of,
    label_of,
    run_row,
    session_row,
    whole_events,
)
from .sorts import RUN_SORTS, SESSION_SORTS, sort_of
from .where import (
    STREAM_ENDED,
    Condition,
    of_events,
    of_runs,
    of_sessions,
    of_tenant,
    run_status,
    words_of,
)
from .words import matching_words

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from chaukas.sdk.integrity import Removed, Sent
    from chaukas.store.protocol import EventOrder

__all__ = ("SqliteReader",)

_MOST: Final = 1000
_MOST_EVENTS: Final = 100_000
_AGENTS: Final = 16
_MOST_COUNTED: Final = 2000
"""Rows of a filtered list up to which it is said how many there are."""

_EVENTS: Final = (
    "event e LEFT JOIN run r ON r.id = e.run LEFT JOIN session s ON s.id = e.session"
)


class SqliteReader:
    """
    Reads for one tenant; see `Reader`.

    Args:
        connection: Of its own.
        tenant: Whose events; None for the owner of the file, who sees all.
        live: Streams of processes that still record; None for all without an end.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        tenant: str | None,
        live: frozenset[str] | None,
    ) -> None:
        self._sql = connection
        self._tenant = tenant
        self._live = live

    def close(self) -> None:
        """Close the connection."""
        self._sql.close()

    # --- sessions and runs -----------------------------------------------------

    def sessions(
        self, filter_: Filter, sort: str = "-time", cursor: str = "", limit: int = 100
    ) -> Page[SessionRow]:
        """Return sessions; see `Reader.sessions`."""
        where = of_sessions(filter_, self._tenant, self._live)
        column, is_down = sort_of(sort, SESSION_SORTS)
        rows, following = self._page(
            f"SELECT {column}, {SESSION_COLUMNS} FROM session s",
            where, (column, is_down, "s.id"), ("sessions " + sort, cursor), limit,
        )  # fmt: skip
        matched = None if cursor else self._matched("sessions", "session s", filter_)
        return Page(tuple(self._session(row[1:]) for row in rows), following, matched)

    def runs(
        self, filter_: Filter, sort: str = "-time", cursor: str = "", limit: int = 100
    ) -> Page[RunRow]:
        """Return runs; see `Reader.runs`."""
        where = of_runs(filter_, self._tenant, self._live)
        column, is_down = sort_of(sort, RUN_SORTS)
        status, params = run_status(self._live)
        rows, following = self._page(
            f"SELECT {column}, {status}, {RUN_COLUMNS} FROM run r",
            where, (column, is_down, "r.id"), ("runs " + sort, cursor), limit,
            before=params, number_at=2,
        )  # fmt: skip
        matched = None if cursor else self._matched("runs", "run r", filter_)
        return Page(self._run_rows([row[1:] for row in rows]), following, matched)

    def run(self, trace_id: str) -> RunRow:
        """Return one run; see `Reader.run`."""
        status, params = run_status(self._live)
        mine, values = self._mine("r")
        rows = self._sql.execute(
            f"SELECT {status}, {RUN_COLUMNS} FROM run r"
            f" WHERE r.trace = ? AND {mine} ORDER BY r.is_run DESC, r.id LIMIT 1",
            [*params, trace_id, *values],
        ).fetchall()
        if not rows:
            raise NotFoundError(f"no run {trace_id!r} is in this record.")
        return self._run_rows(rows)[0]

    def runs_of_session(
        self, session: SessionRow, cursor: str, limit: int
    ) -> Page[RunRow]:
        """Return the runs of a session in the order of time."""
        where = (
            "r.is_run AND r.session = ? AND +r.tenant = ? AND r.project = ?",
            [session.session_id, session.tenant_id, session.project_id],
        )
        status, params = run_status(self._live)
        rows, following = self._page(
            f"SELECT r.first, {status}, {RUN_COLUMNS} FROM run r",
            where, ("r.first", False, "r.id"), ("turns", cursor), limit,
            before=params, number_at=2,
        )  # fmt: skip
        return Page(self._run_rows([row[1:] for row in rows]), following)

    def _run_rows(self, rows: Sequence[Sequence[Any]]) -> tuple[RunRow, ...]:
        ids = [row[1] for row in rows]
        paths = self._paths(ids)
        labels = self._labels_of([row[4] for row in rows])
        return tuple(
            run_row(row, paths.get(row[1], ()), labels.get((row[2], row[4]), ()))
            for row in rows
        )

    def _paths(self, runs: Sequence[int]) -> dict[int, tuple[str, ...]]:
        """Return the path of agents through each run."""
        wanted = json.dumps(list(runs))
        found: dict[int, list[str]] = {}
        for table, order in (("run_path", "key"), ("run_name", "at, name")):
            only = " AND kind = 'agent'" if table == "run_name" else ""
            known = set(found)
            # Table and order are words of this module.
            rows = self._sql.execute(
                f"SELECT run, name FROM {table} WHERE run IN"
                f" (SELECT value FROM json_each(?)){only} ORDER BY run, {order}",
                (wanted,),
            )
            for run, name in rows:
                path = found.setdefault(run, [])
                if run not in known and len(path) < _AGENTS and path[-1:] != [name]:
                    path.append(name)
        return {run: tuple(path) for run, path in found.items()}

    def _labels_of(
        self, traces: Sequence[str]
    ) -> dict[tuple[str, str], tuple[Label, ...]]:
        rows = self._sql.execute(
            f"SELECT l.tenant, {LABEL_COLUMNS} FROM label l"
            " JOIN event e ON e.id = l.event WHERE l.trace <> '' AND l.trace IN"
            " (SELECT value FROM json_each(?)) ORDER BY l.at, l.event",
            (json.dumps(list(traces)),),
        )
        found: dict[tuple[str, str], tuple[Label, ...]] = {}
        for tenant, *row in rows:
            label = label_of(row)
            key = (tenant, label.trace_id)
            found[key] = (*found.get(key, ()), label)
        return found

    def _session(self, row: Sequence[Any]) -> SessionRow:
        status, params = run_status(self._live)
        # All parts are words of this module.
        runs = self._sql.execute(
            f"SELECT r.id, {status} FROM run r WHERE r.session = ? AND"
            " +r.tenant = ? AND r.project = ? AND r.is_run ORDER BY r.first, r.id",
            [*params, row[3], row[1], row[2]],
        ).fetchall()
        statuses = [one for _, one in runs]
        return session_row(
            row, statuses, self._agents([number for number, _ in runs[:_MOST]])
        )

    def _agents(self, runs: Sequence[int]) -> tuple[str, ...]:
        rows = self._sql.execute(
            # In this order: there are few runs, and many names of agents.
            "SELECT n.name FROM json_each(?) j CROSS JOIN run_name n"
            " ON n.run = j.value AND n.kind = 'agent'"
            " GROUP BY n.name ORDER BY min(n.at), n.name LIMIT ?",
            (json.dumps(list(runs)), _AGENTS),
        )
        return tuple(name for (name,) in rows)

    # --- events ----------------------------------------------------------------

    def events(
        self,
        filter_: Filter,
        order: EventOrder = "time",
        cursor: str = "",
        limit: int = 100,
        *,
        whole: bool = False,
    ) -> Page[EventRow]:
        """Return events; see `Reader.events`."""
        is_by_time = order != "arrival" and filter_.fields <= {"since", "until"}
        where = of_events(filter_, self._tenant, self._live, is_by_time=is_by_time)
        column = "e.id" if order == "arrival" else "e.at"
        rows, following = self._page(
            f"SELECT {column}, {EVENT_COLUMNS} FROM {_EVENTS}",
            where, (column, order == "-time", "e.id"),
            ("events " + order, cursor), limit,
        )  # fmt: skip
        places = [r[1:] for r in rows]
        found = self._event_rows(places, whole=whole, most_bytes=PAGE_BYTES)
        if 0 < len(found) < len(rows):
            place = next(r for r in rows if r[1] == found[-1].number)
            following = cursor_of("events " + order, *place[:2])
        return Page(found, following)

    def run_events(
        self, trace_id: str, tenant_id: str, limit: int, *, whole: bool = False
    ) -> tuple[EventRow, ...]:
        """Return the first events of one run, in the order of time."""
        mine, values = self._mine("e")
        rows = self._sql.execute(
            f"SELECT {EVENT_COLUMNS} FROM {_EVENTS}"
            " WHERE e.run = (SELECT id FROM run WHERE trace = ? AND tenant = ?)"
            f" AND {mine} ORDER BY e.at, e.id LIMIT ?",
            [trace_id, tenant_id, *values, min(limit, _MOST_EVENTS)],
        ).fetchall()
        return self._event_rows(rows, whole=whole)

    def session_events(
        self, session: SessionRow, types: Sequence[str], limit: int
    ) -> tuple[EventRow, ...]:
        """Return whole events of one session that have one of some types."""
        rows = self._sql.execute(
            f"SELECT {EVENT_COLUMNS} FROM {_EVENTS}"
            " WHERE e.session = (SELECT id FROM session WHERE session = ?"
            " AND tenant = ? AND project = ?) AND e.type IN"
            " (SELECT value FROM json_each(?)) ORDER BY e.at, e.id LIMIT ?",
            [
                session.session_id, session.tenant_id, session.project_id,
                json.dumps(list(types)), min(limit, _MOST_EVENTS),
            ],
        ).fetchall()  # fmt: skip
        return self._event_rows(rows, whole=True)

    def outside_events(self, session: SessionRow, limit: int) -> tuple[EventRow, ...]:
        """Return events of a session that are in no run of it."""
        rows = self._sql.execute(
            f"SELECT {EVENT_COLUMNS} FROM {_EVENTS}"
            " WHERE e.session = (SELECT id FROM session WHERE session = ?"
            " AND tenant = ? AND project = ?) AND e.kind <> 'session'"
            " AND NOT coalesce(r.is_run, 0) ORDER BY e.at, e.id LIMIT ?",
            [session.session_id, session.tenant_id, session.project_id, limit],
        ).fetchall()
        return self._event_rows(rows, whole=False)

    def event(self, event_id: str) -> EventRow:
        """Return one whole event; see `Reader.event`."""
        mine, values = self._mine("e")
        rows = self._sql.execute(
            f"SELECT {EVENT_COLUMNS} FROM {_EVENTS}"
            f" WHERE e.event_id = ? AND {mine} LIMIT 1",
            [event_id, *values],
        ).fetchall()
        if not rows:
            raise NotFoundError(f"no event {event_id!r} is in this record.")
        return self._event_rows(rows, whole=True)[0]

    @property
    def sees_all_tenants(self) -> bool:
        """Whether this reader is of no tenant in particular."""
        return self._tenant is None

    def previous_in_stream(self, event_id: str) -> EventRow | None:
        """
        Return the event that came before an event in its stream, if it is here.

        A process has one stream for all its tenants: without one of them in between,
        this is the event whose hash the other names.
        """
        own, values = self._mine("e")
        mine, _ = self._mine("p")
        rows = self._sql.execute(
            "SELECT p.event_id FROM event e JOIN stream s ON s.id = e.stream"
            " JOIN event p ON p.id < e.id"
            " AND +p.stream IN (SELECT id FROM stream WHERE stream = s.stream)"
            f" WHERE e.event_id = ? AND {own} AND {mine} ORDER BY p.id DESC LIMIT 1",
            [event_id, *values, *values],
        ).fetchall()
        return self.event(rows[0][0]) if rows else None

    def events_after(
        self, number: int, filter_: Filter, limit: int = 1000
    ) -> tuple[list[EventRow], int]:
        """Return what arrived after an event; see `Reader.events_after`."""
        condition, params = of_events(filter_, self._tenant, self._live)
        newest = self.newest_number()
        rows = self._sql.execute(
            f"SELECT {EVENT_COLUMNS} FROM {_EVENTS}"
            f" WHERE e.id > ? AND e.id <= ? AND {condition} ORDER BY e.id LIMIT ?",
            [number, newest, *params, _clamped(limit)],
        ).fetchall()
        found = list(self._event_rows(rows, whole=True, most_bytes=PAGE_BYTES))
        is_cut = 0 < len(found) < len(rows) or len(rows) == _clamped(limit)
        return found, found[-1].number if found and is_cut else max(number, newest)

    def newest_number(self) -> int:
        """Return the number of the event that arrived last; 0 for none."""
        statement = "SELECT coalesce(max(id), 0) FROM event"
        return int(self._sql.execute(statement).fetchone()[0])

    def lines_after(self, number: int, filter_: Filter) -> Iterator[tuple[int, bytes]]:
        """Yield what arrived after an event, as recorded, each with its number."""
        condition, params = of_events(filter_, self._tenant, self._live)
        rows = self._sql.execute(
            f"SELECT e.id, b.line FROM {_EVENTS} JOIN body b ON b.id = e.id"
            f" WHERE e.id > ? AND {condition} ORDER BY e.id",
            [number, *params],
        )
        for place, line in rows:
            yield place, bytes(line)

    def chained_after(
        self, cursor: str = ""
    ) -> Iterator[tuple[str, bytes | Removed | Sent]]:
        """Yield events in the order of their chains; see `chained.chained_after`."""
        return chained_after(self._sql, self._tenant, cursor)

    def search(
        self, text: str, filter_: Filter, cursor: str = "", limit: int = 50
    ) -> Page[SearchHit]:
        """Return events with a text in them; see `Reader.search`."""
        words = [words_of(word) for word in phrases_of(text)]
        query = " AND ".join(word for word in words if word)
        if not query:
            return Page((), "")
        query = matching_words(query, self._tenant)
        condition, params = of_events(filter_, self._tenant, self._live)
        last = read_cursor(cursor, "search", int)
        rows = self._sql.execute(
            f"SELECT {EVENT_COLUMNS} FROM words w"
            " CROSS JOIN event e ON e.id = w.rowid LEFT JOIN run r ON r.id = e.run"
            f" LEFT JOIN session s ON s.id = e.session WHERE words MATCH ?"
            f" AND w.rowid < ? AND {condition} ORDER BY w.rowid DESC LIMIT ?",
            [query, last[0] if last else LAST_MOMENT, *params, _clamped(limit) + 1],
        ).fetchall()
        shown = rows[: _clamped(limit)]
        found = self._event_rows(shown, whole=True, most_bytes=PAGE_BYTES)
        is_more = 0 < len(found) < len(rows)
        hits = tuple(hit_of(row, phrases_of(text)) for row in found)
        return Page(hits, cursor_of("search", hits[-1].row.number) if is_more else "")

    def _event_rows(
        self,
        rows: Sequence[Sequence[Any]],
        *,
        whole: bool,
        most_bytes: int = RUN_BYTES,
    ) -> tuple[EventRow, ...]:
        if whole:
            return whole_events(self._sql, rows, most_bytes)
        return tuple(event_row(row, None) for row in rows)

    # --- numbers ---------------------------------------------------------------

    def numbers(
        self, by: Sequence[str], filter_: Filter, of: str = "", limit: int = 1000
    ) -> Numbers:
        """Return sums by group; see `Reader.numbers`."""
        question = question_of(by, of)
        return counted.answer(
            self._sql, question, filter_, self._tenant, self._live, _clamped(limit)
        )

    def causes(self, filter_: Filter, limit: int = 100) -> list[Cause]:
        """Return what went wrong by cause; see `Reader.causes`."""
        events = of_events(filter_, self._tenant, self._live)
        found = trouble.of_events(self._sql, events, _clamped(limit))
        for kind in trouble.UNENDED:
            asked = Filter((*filter_.terms, Term("status", ":", (kind,))))
            runs = of_runs(asked, self._tenant, self._live)
            found += trouble.of_runs(self._sql, runs, kind)
        if filter_.is_empty:
            found += trouble.of_streams(self.streams())
        found.sort(key=lambda cause: (-cause.count, -cause.last_us, cause.kind))
        return found[: _clamped(limit)]

    # --- the rest --------------------------------------------------------------

    def streams(self) -> list[StreamRow]:
        """Return the processes that recorded; see `Reader.streams`."""
        mine, values = self._mine("t")
        rows = self._sql.execute(
            "SELECT t.stream, min(t.first), max(t.last), sum(t.events),"
            " max(t.max_seq) - min(t.min_seq) + 1 - sum(t.numbered), max(t.dropped),"
            f" min({STREAM_ENDED})"
            f" FROM stream t WHERE {mine} GROUP BY t.stream"
            " ORDER BY max(t.last) DESC, t.stream",
            values,
        )
        return [self._stream(row) for row in rows]

    def _stream(self, row: Sequence[Any]) -> StreamRow:
        name, first, last, events, missing, dropped, is_ended = row
        is_live = self._live is None or name in self._live
        state: Literal["ended", "open", "died"] = "open" if is_live else "died"
        if is_ended:
            state = "ended"
        if self._tenant is not None:
            # The numbers of one tenant's events have holes: those of the others.
            missing = 0
        return StreamRow(
            name, first, last, events, max(0, missing or 0), dropped, state
        )

    def labels(
        self, filter_: Filter, cursor: str = "", limit: int = 100
    ) -> Page[Label]:
        """Return labels and notes; see `Reader.labels`."""
        where = of_events(filter_, self._tenant, self._live)
        rows, following = self._page(
            f"SELECT l.at, {LABEL_COLUMNS} FROM label l JOIN event e"
            " ON e.id = l.event LEFT JOIN run r ON r.id = e.run"
            " LEFT JOIN session s ON s.id = e.session",
            where, ("l.at", True, "l.event"), ("labels", cursor), limit,
        )  # fmt: skip
        return Page(tuple(label_of(row[1:]) for row in rows), following)

    def values(self, field: str, prefix: str = "", limit: int = 50) -> list[str]:
        """Return values of a field that occur; see `Reader.values`."""
        column, source = VALUES.get(
            field, ("n.name", "run_name n JOIN run r ON r.id = n.run")
        )
        only = "n.kind = ?" if field not in VALUES else "? <> ''"
        mine, values = self._mine("l" if field == "label" else "r")
        for special in "\\%_":
            prefix = prefix.replace(special, "\\" + special)
        rows = self._sql.execute(
            f"SELECT {column} FROM {source} WHERE {only} AND {mine}"
            f" AND {column} <> '' AND {column} LIKE ? ESCAPE '\\'"
            f" GROUP BY {column} ORDER BY count(*) DESC, {column} LIMIT ?",
            [field, *values, prefix + "%", _clamped(limit)],
        )
        return [value for (value,) in rows]

    def event_count(self) -> int:
        """Return the number of all events."""
        return self._total("events")

    def _total(self, kind: str) -> int:
        mine, values = self._mine("t")
        # The kind is a word of this module.
        statement = f"SELECT coalesce(sum(t.{kind}), 0) FROM total t WHERE {mine}"
        (number,) = self._sql.execute(statement, values).fetchone()
        return int(number)

    def event_stats(self, filter_: Filter) -> tuple[dict[str, int], int, float]:
        """Return events by type, the sessions, and their mean duration in ms."""
        events = of_events(filter_, self._tenant, self._live)
        sessions = of_sessions(filter_, self._tenant, self._live)
        return counted.event_stats(self._sql, events, sessions)

    def span_of_time(self) -> tuple[int, int] | None:
        """Return the first and the last moment of all events; None without any."""
        mine, values = of_tenant("e", self._tenant)
        first, last = self._sql.execute(
            f"SELECT (SELECT min(e.at) FROM event e WHERE {mine}),"
            f" (SELECT max(e.at) FROM event e WHERE {mine})",
            [*values, *values],
        ).fetchone()
        return None if first is None else (first, last)

    def _mine(self, table: str) -> tuple[str, list[str]]:
        # Whatever else is asked for is fewer rows than a whole tenant has: its index
        # must not be preferred.
        return of_tenant(f"+{table}", self._tenant)

    def _matched(self, kind: str, table: str, filter_: Filter) -> int | None:
        """Return how many rows a list has; None for more than is worth counting."""
        if filter_.is_empty:
            return self._total(kind)
        conditions = of_runs if kind == "runs" else of_sessions
        condition, params = conditions(filter_, self._tenant, self._live)
        # The table is a word of this module.
        statement = (
            "SELECT count(*) FROM"
            f" (SELECT 1 FROM {table} WHERE {condition} LIMIT {_MOST_COUNTED + 1})"
        )
        (number,) = self._sql.execute(statement, params).fetchone()
        return int(number) if number <= _MOST_COUNTED else None

    def _page(
        self,
        select: str,
        where: Condition,
        order: tuple[str, bool, str],
        place: tuple[str, str],
        limit: int,
        *,
        before: Sequence[Any] = (),
        number_at: int = 1,
    ) -> tuple[list[Any], str]:
        """
        Return the rows behind a cursor, and the cursor behind them.

        Args:
            select: Whose first column is what is ordered by.
            where: The condition.
            order: What is ordered by, whether descending, and the column of numbers.
            place: Name of the call and its order, and the cursor.
            limit: Most rows.
            before: Parameters of `select`.
            number_at: Which column is the row's number.
        """
        column, is_down, number = order
        name, cursor = place
        condition, params = where
        last = read_cursor(cursor, name, float, int)
        if last is not None:
            sign = "<" if is_down else ">"
            condition = f"({condition}) AND ({column}, {number}) {sign} (?, ?)"
            params = [*params, *last]
        direction = "DESC" if is_down else "ASC"
        rows = self._sql.execute(
            f"{select} WHERE {condition}"
            f" ORDER BY {column} {direction}, {number} {direction} LIMIT ?",
            [*before, *params, _clamped(limit) + 1],
        ).fetchall()
        if len(rows) <= _clamped(limit):
            return rows, ""
        rows = rows[: _clamped(limit)]
        return rows, cursor_of(name, rows[-1][0], rows[-1][number_at])


def _clamped(limit: int) -> int:
    return min(max(1, limit), _MOST)
