"""
New events, being written: what they add is worked out, and added to all sums.

See `fold` for what a batch adds.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from chaukas.store.content import object_of, text_of
from chaukas.store.facts import Facts, event_of
from chaukas.store.fold import (
    DAY_SUMS,
    Deltas,
    RunKey,
    SessionKey,
    bounded,
    fold,
    sums_row,
)

from .totals import add_day_names, add_totals, added, counted
from .where import ALL
from .words import INSERT_WORDS, note_unindexed, words_row

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

__all__ = ("EventBatch",)


class EventBatch:
    """
    New events, being written.

    Args:
        connection: Within a transaction.
        facts: The events.
        has_words: See `SqliteStore`.
        sender: Tenant whose streams they can end; `ALL` for those of every tenant.
        heard_us: When they came, in microseconds since 1970.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        facts: Sequence[Facts],
        *,
        has_words: bool,
        sender: str = ALL,
        heard_us: int = 0,
    ) -> None:
        self._sql = connection
        self._facts = facts
        self._has_words = has_words
        self._sender = sender
        self._heard_us = heard_us
        self._deltas: Deltas = fold(facts)
        self._runs = self._ids("run", "trace", self._deltas.runs, _run_columns)
        sessions = self._deltas.sessions
        self._sessions = self._ids("session", "session", sessions, _session_columns)
        streams = self._deltas.streams
        self._streams = self._ids("stream", "stream", streams, _stream_columns)

    def write(self) -> None:
        """Write them, and add them to all sums."""
        numbers = self._runs.values(), self._sessions.values()
        before = counted(self._sql, *numbers)
        self._write_events()
        self._write_runs()
        self._write_sessions()
        self._write_streams()
        self._write_days()
        after = counted(self._sql, *numbers)
        after.update((fact.tenant, "events") for fact in self._facts)
        add_totals(self._sql, before, after)

    def write_sums(
        self, runs: Mapping[RunKey, int], sessions: Mapping[SessionKey, int]
    ) -> None:
        """
        Write the sums of runs and sessions alone, of events that are there already.

        Args:
            runs: Those that are meant, with the numbers of their rows.
            sessions: Likewise.
        """
        deltas = self._deltas
        deltas.runs = {k: sums for k, sums in deltas.runs.items() if k in runs}
        deltas.sessions = {k: s for k, s in deltas.sessions.items() if k in sessions}
        deltas.names = {k: at for k, at in deltas.names.items() if k[0] in runs}
        deltas.paths = [one for one in deltas.paths if one[0] in runs]
        for span in [one for one in deltas.opened if one[0] not in runs]:
            del deltas.opened[span]
        self._runs, self._sessions = dict(runs), dict(sessions)
        self._write_runs()
        self._write_sessions()

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
        # The table is a word of this module. A number that was removed is not given
        # again: readers remember how far they have read.
        statement = (
            f"SELECT max((SELECT coalesce(max(id), 0) FROM {table}),"
            " coalesce((SELECT value FROM fact WHERE name = ?), 0)) + 1"
        )
        (number,) = self._sql.execute(statement, (f"last {table}",)).fetchone()
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
                INSERT_WORDS,
                [words_row(n, f) for n, f in enumerate(self._facts, first) if f.words],
            )
        else:
            note_unindexed(self._sql, first, first + len(self._facts) - 1)
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
                    one.min_seq, one.max_seq, one.numbered, *bounded((one.dropped,)),
                    self._heard_us,
                )
                for key, one in self._deltas.streams.items()
            ],
        )  # fmt: skip
        self._sql.executemany(
            "INSERT OR IGNORE INTO stream_end VALUES (?, ?)",
            [(name, self._sender) for name in self._deltas.ended],
        )

    def _write_days(self) -> None:
        days = self._deltas.days.items()
        rows = [(*key, *bounded(sums)) for key, sums in days]
        self._sql.executemany(_ADD_DAY, rows)
        add_day_names(self._sql, self._deltas.days)


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
        *(added(name) for name in _ADDED),
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
    f"INSERT INTO stream VALUES ({_marks(11)}) ON CONFLICT (id) DO UPDATE SET"
    " first = min(first, excluded.first), last = max(last, excluded.last),"
    " events = events + excluded.events, numbered = numbered + excluded.numbered,"
    " min_seq = min(coalesce(min_seq, excluded.min_seq),"
    " coalesce(excluded.min_seq, min_seq)),"
    " max_seq = max(coalesce(max_seq, excluded.max_seq),"
    " coalesce(excluded.max_seq, max_seq)),"
    " dropped = max(dropped, excluded.dropped), heard = max(heard, excluded.heard)"
)
_ADD_DAY: Final = (
    f"INSERT INTO day VALUES ({_marks(17)}) ON CONFLICT DO UPDATE SET "
    + ", ".join(map(added, DAY_SUMS))
)
