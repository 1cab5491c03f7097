"""
The SQLite store: one file, one writer, exact under duplicates and late events.

What a batch adds is worked out first (`fold`), and added within one transaction.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from chaukas.sdk.wire import normal
from chaukas.store.content import object_of, text_of
from chaukas.store.facts import Facts, event_of, facts_of
from chaukas.store.fold import Deltas, fold, sums_row
from chaukas.store.protocol import Rejection, Verdicts

from .read import SqliteReader
from .schema import clear, prepare

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ("SqliteStore", "connect", "same_event")

_BUSY_S: Final = 60.0
_PAGE_BYTES: Final = 8192
_CACHE_KB: Final = 65_536


def connect(path: Path | str, *, is_durable: bool) -> sqlite3.Connection:
    """
    Return a connection to a store's file, which is made if it is not there.

    Args:
        path: Of the file.
        is_durable: Whether what is committed survives the machine's sudden end; an
            index that can be made again need not.
    """
    # It is used by one thread at a time, which its owner sees to.
    connection = sqlite3.connect(
        path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
    )
    # Before anything is in it: bodies are of a size of which few fit into less.
    connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {'FULL' if is_durable else 'OFF'}")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KB}")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def same_event(left: bytes, right: bytes) -> bool:
    """Return whether two lines hold the same event, however they are spelled."""
    if left == right:
        return True
    events = (event_of(left), event_of(right))
    try:
        first, second = (normal(event) for event in events if event is not None)
    except (TypeError, ValueError):
        return False
    return bool(first == second)


class SqliteStore:
    """
    Events in one SQLite file.

    Args:
        path: Of the file; made if it is not there.
        is_durable: See `connect`.
        has_words: Whether texts can be searched; without, taking events is faster.
    """

    def __init__(
        self, path: Path | str, *, is_durable: bool = True, has_words: bool = True
    ) -> None:
        self.path = path
        self._has_words = has_words
        self._is_durable = is_durable
        self._connection = connect(path, is_durable=is_durable)
        self._lock = threading.Lock()
        self._live: frozenset[str] | None = frozenset()
        prepare(self._connection)

    def ingest(self, lines: Sequence[bytes], tenant: str | None = None) -> Verdicts:
        """Take events; see `Store.ingest`."""
        facts: list[Facts] = []
        rejected: list[Rejection] = []
        for line in lines:
            event = event_of(line)
            fact = None if event is None else facts_of(event, line.strip())
            if fact is None:
                rejected.append(Rejection("", "invalid"))
            elif tenant is not None and fact.tenant != tenant:
                rejected.append(Rejection(fact.event_id, "tenant_mismatch"))
            else:
                facts.append(fact)
        with self.transaction():
            accepted, duplicate, conflicts = self.add(facts)
        return Verdicts(accepted, duplicate, (*rejected, *conflicts))

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the one right to write; commit at the end, or undo all."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def add(self, facts: Sequence[Facts]) -> tuple[int, int, list[Rejection]]:
        """
        Add events within a transaction that the caller holds.

        Returns:
            How many are new, how many were here already, and which have the id of
            another event.
        """
        fresh, duplicate, conflicts = self._new_ones(facts)
        if fresh:
            _Batch(self._connection, fresh, has_words=self._has_words).write()
        return len(fresh), duplicate, conflicts

    def _new_ones(
        self, facts: Sequence[Facts]
    ) -> tuple[list[Facts], int, list[Rejection]]:
        fresh: dict[tuple[str, str], Facts] = {}
        conflicts: list[Rejection] = []
        duplicate = 0
        known = self._known(facts)
        for fact in facts:
            key = (fact.event_id, fact.tenant)
            number = known.get(key)
            if number is not None:
                (line,) = self._connection.execute(
                    "SELECT line FROM body WHERE id = ?", (number,)
                ).fetchone()
            elif key in fresh:
                line = fresh[key].line
            else:
                fresh[key] = fact
                continue
            if same_event(line, fact.line):
                duplicate += 1
            else:
                conflicts.append(Rejection(fact.event_id, "conflict"))
        return list(fresh.values()), duplicate, conflicts

    def _known(self, facts: Sequence[Facts]) -> dict[tuple[str, str], int]:
        """Return the numbers of those events that are here already."""
        (newest,) = self._connection.execute(
            "SELECT max(event_id) FROM event"
        ).fetchone()
        # Ids grow with time: of a file that goes on, none can be here.
        ids = [f.event_id for f in facts if newest is not None and f.event_id <= newest]
        if not ids:
            return {}
        rows = self._connection.execute(
            "SELECT event_id, tenant, id FROM event WHERE event_id IN"
            " (SELECT value FROM json_each(?))",
            (json.dumps(ids),),
        )
        return {(event_id, tenant): number for event_id, tenant, number in rows}

    def reset(self) -> None:
        """Remove all events, as of a record that was replaced."""
        with self.transaction() as sql:
            clear(sql)

    def reader(self, tenant: str | None) -> SqliteReader:
        """Return a reader with a connection of its own; see `Store.reader`."""
        connection = connect(self.path, is_durable=self._is_durable)
        connection.execute("PRAGMA query_only = 1")
        return SqliteReader(connection, tenant, self._live)

    def set_live(self, streams: frozenset[str] | None) -> None:
        """Say which processes still record; readers made from now on know it."""
        self._live = streams

    def close(self) -> None:
        """Close the writer's connection."""
        self._connection.close()


class _Batch:
    """New events, being written."""

    def __init__(
        self, connection: sqlite3.Connection, facts: list[Facts], *, has_words: bool
    ) -> None:
        self._sql = connection
        self._facts = facts
        self._has_words = has_words
        self._deltas: Deltas = fold(facts)
        self._runs = self._ids("run", "trace", self._deltas.runs, _run_columns)
        sessions = self._deltas.sessions
        self._sessions = self._ids("session", "session", sessions, _session_columns)
        streams = self._deltas.streams
        self._streams = self._ids("stream", "stream", streams, _stream_columns)

    def write(self) -> None:
        """Write them, and add them to all sums."""
        self._write_events()
        self._write_runs()
        self._write_sessions()
        self._write_streams()
        self._write_days()

    def _ids(
        self, table: str, column: str, keys: Mapping[Any, object], columns: Any
    ) -> dict[Any, int]:
        """Return the number of each key's row, of new ones too."""
        if not keys:
            return {}
        names, values = columns
        texts = json.dumps(sorted({values(key)[0] for key in keys}))
        # Table and columns are words of this module.
        rows = self._sql.execute(
            f"SELECT id, {names} FROM {table} WHERE {column} IN"
            " (SELECT value FROM json_each(?))",
            (texts,),
        )
        known = {tuple(rest): number for number, *rest in rows}
        following = self._next(table)
        found = {}
        for key in keys:
            number = known.get(values(key))
            if number is None:
                number = following
                following += 1
            found[key] = number
        return found

    def _next(self, table: str) -> int:
        # The table is a word of this module.
        statement = f"SELECT coalesce(max(id), 0) + 1 FROM {table}"
        (number,) = self._sql.execute(statement).fetchone()
        return int(number)

    def _write_events(self) -> None:
        first = self._next("event")
        self._sql.executemany(
            _INSERT_EVENT,
            [self._event_row(n, fact) for n, fact in enumerate(self._facts, first)],
        )
        self._sql.executemany(
            "INSERT INTO body (id, line) VALUES (?, ?)",
            [(n, fact.line) for n, fact in enumerate(self._facts, first)],
        )
        if self._has_words:
            self._sql.executemany(
                "INSERT INTO words (rowid, text) VALUES (?, ?)",
                [(n, f.words) for n, f in enumerate(self._facts, first) if f.words],
            )
        numbers = {id(fact): n for n, fact in enumerate(self._facts, first)}
        self._sql.executemany(
            "INSERT INTO label VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [_label_row(numbers[id(fact)], fact) for fact in self._deltas.labels],
        )

    def _event_row(self, number: int, fact: Facts) -> tuple[Any, ...]:
        is_counted = bool(fact.of)
        session = (fact.tenant, fact.project, fact.session)
        return (
            number,
            fact.event_id,
            fact.tenant,
            fact.project,
            self._runs.get((fact.tenant, fact.trace)) if fact.trace else None,
            self._sessions.get(session) if fact.session else None,
            self._streams.get((fact.stream, fact.tenant)) if fact.stream else None,
            fact.seq,
            fact.span,
            fact.parent,
            fact.at_us,
            fact.type,
            fact.kind,
            fact.side,
            fact.status,
            fact.agent,
            fact.name,
            fact.text,
            fact.user,
            fact.framework,
            fact.of or None,
            fact.outcome,
            fact.cause or None,
            fact.duration_ms,
            fact.bucket,
            fact.first_token_ms,
            fact.wait_ms,
            fact.input_tokens if is_counted else None,
            fact.output_tokens if is_counted else None,
            fact.cached_tokens if is_counted else None,
            fact.reasoning_tokens if is_counted else None,
            fact.cost_pico,
            fact.unpriced if is_counted else None,
        )

    def _write_runs(self) -> None:
        deltas, ids = self._deltas, self._runs
        self._sql.executemany(
            _ADD_RUN,
            [
                (
                    ids[key], *key, run.project, run.session, int(run.is_run),
                    *sums_row(run), *run.input, *run.output, *run.error, *run.end,
                )
                for key, run in deltas.runs.items()
            ],
        )  # fmt: skip
        self._sql.executemany(
            "INSERT INTO run_name VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE"
            " SET at = min(at, excluded.at) WHERE excluded.at < at",
            [(ids[k], kind, name, at) for (k, kind, name), at in deltas.names.items()],
        )
        self._sql.executemany(
            "INSERT OR IGNORE INTO run_path VALUES (?, ?, ?)",
            [(ids[key], order, name) for key, order, name in deltas.paths],
        )
        self._write_open_spans()

    def _write_open_spans(self) -> None:
        ids = self._runs
        left = [
            (
                ids[key],
                span,
                n,
                self._streams.get(self._deltas.openers.get((key, span))),
            )
            for (key, span), n in self._deltas.opened.items()
            if n
        ]
        if not left:
            return
        self._sql.executemany(
            "INSERT INTO run_open VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE"
            " SET n = n + excluded.n, stream = coalesce(excluded.stream, stream)",
            left,
        )
        runs = [(number,) for number in {row[0] for row in left}]
        self._sql.executemany("DELETE FROM run_open WHERE run = ? AND n = 0", runs)
        self._sql.executemany(
            "UPDATE run SET open_spans ="
            " (SELECT count(*) FROM run_open WHERE run = id AND n > 0) WHERE id = ?",
            runs,
        )

    def _write_sessions(self) -> None:
        self._sql.executemany(
            _ADD_SESSION,
            [
                (self._sessions[key], *key, *sums_row(sums))
                for key, sums in self._deltas.sessions.items()
            ],
        )

    def _write_streams(self) -> None:
        self._sql.executemany(
            _ADD_STREAM,
            [
                (
                    self._streams[key], key[1], key[0], one.first, one.last, one.events,
                    one.min_seq, one.max_seq, one.numbered, one.dropped,
                )
                for key, one in self._deltas.streams.items()
            ],
        )  # fmt: skip
        self._sql.executemany(
            "INSERT OR IGNORE INTO stream_end VALUES (?)",
            [(name,) for name in self._deltas.ended],
        )

    def _write_days(self) -> None:
        rows = [(*key, *sums) for key, sums in self._deltas.days.items()]
        self._sql.executemany(_ADD_DAY, rows)


_run_columns: Final = ("trace, tenant", lambda key: (key[1], key[0]))
_session_columns: Final = (
    "session, tenant, project",
    lambda key: (key[2], key[0], key[1]),
)
_stream_columns: Final = ("stream, tenant", lambda key: key)


def _label_row(number: int, fact: Facts) -> tuple[Any, ...]:
    metadata = object_of((event_of(fact.line) or {}).get("metadata"))
    score = object_of(metadata.get("score"))
    return (
        number,
        fact.tenant,
        fact.project,
        fact.trace,
        text_of(score.get("span_id")) or text_of(score.get("run_id")),
        fact.session,
        fact.at_us,
        text_of(score.get("name")),
        json.dumps(score.get("value")),
        text_of(score.get("comment")),
    )


def _marks(number: int) -> str:
    return ", ".join("?" * number)


_ADDED: Final = (
    "events calls tools input_tokens output_tokens cached_tokens reasoning_tokens"
    " cost unpriced errors retries denials"
).split()
_GREATEST: Final = "last name user framework".split()

_ADD_SUMS: Final = ", ".join(
    (
        "first = min(first, excluded.first)",
        *(f"{name} = max({name}, excluded.{name})" for name in _GREATEST),
        *(f"{name} = {name} + excluded.{name}" for name in _ADDED),
    )
)


def _picked(key: str, *columns: str, sign: str) -> str:
    """Return how columns follow the least or the greatest key."""
    return ", ".join(
        f"{name} = CASE WHEN excluded.{key} {sign} {key}"
        f" THEN excluded.{name} ELSE {name} END"
        for name in (*columns, key)
    )


# Columns and marks are words of this module.
_INSERT_EVENT: Final = f"INSERT INTO event VALUES ({_marks(33)})"
_ADD_RUN: Final = (
    f"INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, {_marks(26)}, 0)"
    " ON CONFLICT (id) DO UPDATE SET"
    " project = max(project, excluded.project), is_run = max(is_run, excluded.is_run),"
    f" session = max(session, excluded.session), {_ADD_SUMS},"
    f" {_picked('input_key', 'input', sign='<')},"
    f" {_picked('output_key', 'output', sign='>')},"
    f" {_picked('error_key', 'error', sign='>')},"
    f" {_picked('end_key', 'end_status', 'end_ms', sign='>')}"
)
_ADD_SESSION: Final = (
    f"INSERT INTO session VALUES ({_marks(21)})"
    f" ON CONFLICT (id) DO UPDATE SET {_ADD_SUMS}"
)
_ADD_STREAM: Final = (
    f"INSERT INTO stream VALUES ({_marks(10)}) ON CONFLICT (id) DO UPDATE SET"
    " first = min(first, excluded.first), last = max(last, excluded.last),"
    " events = events + excluded.events, numbered = numbered + excluded.numbered,"
    " min_seq = min(coalesce(min_seq, excluded.min_seq),"
    " coalesce(excluded.min_seq, min_seq)),"
    " max_seq = max(coalesce(max_seq, excluded.max_seq),"
    " coalesce(excluded.max_seq, max_seq)),"
    " dropped = max(dropped, excluded.dropped)"
)
_DAY_SUMS: Final = (
    "count failed cancelled retries input_tokens output_tokens cached_tokens cost"
    " unpriced duration_us"
).split()
_ADD_DAY: Final = (
    f"INSERT INTO day VALUES ({_marks(17)}) ON CONFLICT DO UPDATE SET "
    + ", ".join(f"{name} = {name} + excluded.{name}" for name in _DAY_SUMS)
)
