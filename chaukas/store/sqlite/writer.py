"""
The SQLite store: one file, one writer, exact under duplicates and late events.

What a batch adds is worked out first (`fold`), and added within one transaction.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from chaukas.sdk.wire import normal
from chaukas.store.admission import admitted
from chaukas.store.facts import event_of
from chaukas.store.protocol import Batch, Rejection, Verdicts

from .batch import EventBatch
from .connection import connect, connect_to_read
from .copying import copy_store
from .quota import set_quota, within
from .read import SqliteReader
from .schema import VERSION, clear, prepare
from .upkeep import checking, retention
from .where import ALL, STREAM_ENDED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from chaukas.store.facts import Facts
    from chaukas.store.protocol import Finding, Removal, Retention

__all__ = ("SqliteStore", "same_event", "stored_reader")


_LOG_PAGES: Final = 16_000
_IDLE_BYTES: Final = 1 << 20
_BUSY_BYTES: Final = 16 << 20


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
        noted: Is told how much of the copy is made that is kept of an older store.
        clock_us: Now, in microseconds since 1970.

    Raises:
        NewerSchemaError: It is of a newer chaukas.
        NoRoomError: It is of an older one, and there is no room for a copy of it.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        is_durable: bool = True,
        has_words: bool = True,
        noted: Callable[[int, int], None] = lambda _done, _all: None,
        clock_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self.path = path
        self._has_words = has_words
        self._is_durable = is_durable
        self._connection = connect(path, is_durable=is_durable)
        self._lock = threading.Lock()
        self._live: frozenset[str] | None = frozenset()
        self._silent_after_s: float | None = None
        self._clock_us = clock_us
        self._unsettled_bytes = 0
        self._settles_itself = True
        try:
            prepare(self._connection, lambda version: self._keep_copy(version, noted))
        except BaseException:
            self._connection.close()
            raise

    def _keep_copy(self, version: int, noted: Callable[[int, int], None]) -> None:
        # What can be made again needs no copy.
        if self._is_durable:
            path = Path(self.path)
            # Beside the copy the store itself grows: by what is new in it.
            copy_store(path, path.with_name(f"{path.name}.v{version}"), noted, 1.5)

    def ingest(self, lines: Sequence[bytes], tenant: str | None = None) -> Verdicts:
        """Take events; see `Store.ingest`."""
        return self.ingest_all([Batch(lines, tenant)])[0]

    def ingest_all(self, batches: Sequence[Batch]) -> list[Verdicts]:
        """Take events of several senders; see `Store.ingest_all`."""
        taken = [admitted(one) for one in batches]
        verdicts = []
        with self.transaction():
            for batch, found in zip(batches, taken, strict=True):
                facts = [one for one in found if not isinstance(one, Rejection)]
                refused = [one for one in found if isinstance(one, Rejection)]
                accepted, duplicate, conflicts = self.add(facts, batch.tenant)
                rejected = (*refused, *conflicts)
                verdicts.append(Verdicts(accepted, duplicate, rejected))
        return verdicts

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the one right to write; commit at the end, or undo all."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                # A full disk has undone it already.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def add(
        self, facts: Sequence[Facts], sender: str | None = None
    ) -> tuple[int, int, list[Rejection]]:
        """
        Add events within a transaction that the caller holds.

        Args:
            facts: The events.
            sender: The only tenant of who sends them; None for one who serves all.

        Returns:
            How many are new, how many were here already, and which have the id of
            another event, or are more than their tenant may keep.
        """
        fresh, duplicate, rejected = self._new_ones(facts)
        kept, over = within(self._connection, fresh)
        if kept:
            batch = EventBatch(
                self._connection,
                kept,
                has_words=self._has_words,
                sender=ALL if sender is None else sender,
                heard_us=self._clock_us(),
            )
            batch.write()
            self._unsettled_bytes += sum(len(fact.line) for fact in kept)
        rejected += [Rejection(fact.event_id, "quota") for fact in over]
        return len(kept), duplicate, rejected

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

    def settle(self, *, is_idle: bool) -> None:
        """Bring the log into the file; see `Store.settle`."""
        with self._lock:
            if self._settles_itself:
                # From now on a commit does it only where the caller forgets to.
                self._connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
                self._settles_itself = False
            if self._unsettled_bytes >= (_IDLE_BYTES if is_idle else _BUSY_BYTES):
                self._unsettled_bytes = 0
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def shrink(self) -> None:
        """Overwrite the log too, so that nothing of what was removed is left in it."""
        with self._lock:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

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

    def retain(
        self,
        policy: Retention,
        recorded: Callable[[Removal], None] = lambda _removal: None,
        noted: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> int:
        """Remove what a policy does not keep; see `Store.retain`."""
        return retention.retain(self, policy, recorded, noted)

    def erase(
        self,
        tenant: str,
        *,
        session: str = "",
        user: str = "",
        recorded: Callable[[Removal], None] = lambda _removal: None,
        noted: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> int:
        """Remove a session, or all of a user; see `Store.erase`."""
        return retention.erase(
            self, tenant, session=session, user=user, recorded=recorded, noted=noted
        )

    def check(
        self,
        is_on_record: Callable[[Removal], bool] = lambda _removal: True,
        noted: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> Iterator[Finding]:
        """Yield what is wrong, and what was removed; see `Store.check`."""
        return checking.findings_in(Path(self.path), is_on_record, noted)

    def reader(self, tenant: str | None) -> SqliteReader:
        """Return a reader with a connection of its own; see `Store.reader`."""
        connection = connect(self.path, is_durable=self._is_durable, is_reader=True)
        connection.execute("PRAGMA query_only = 1")
        live = self._live
        if live is None and self._silent_after_s is not None:
            heard_us = self._clock_us() - round(self._silent_after_s * 1e6)
            live = _heard_since(connection, heard_us, tenant)
        return SqliteReader(connection, tenant, live)

    def set_live(
        self, streams: frozenset[str] | None, silent_after_s: float | None = None
    ) -> None:
        """Say which processes still record; readers made from now on know it."""
        self._live = streams
        self._silent_after_s = silent_after_s

    def set_quota(
        self,
        tenant: str,
        most_events: int | None = None,
        most_bytes: int | None = None,
    ) -> None:
        """Limit what a tenant may keep; see `Store.set_quota`."""
        with self.transaction() as sql:
            set_quota(sql, tenant, most_events, most_bytes)

    def close(self) -> None:
        """Close the writer's connection."""
        self._connection.close()


def stored_reader(path: Path, heard_us: int) -> SqliteReader | None:
    """
    Return a reader of all tenants of somebody's store; None for one of another version.

    Args:
        path: Of the file, which is not changed; its collector may be at work.
        heard_us: A process without an end of which nothing came since then has died.

    Raises:
        sqlite3.DatabaseError: It is damaged.
    """
    connection = connect_to_read(path)
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == VERSION:
            live = _heard_since(connection, heard_us, None)
            return SqliteReader(connection, None, live)
    except sqlite3.DatabaseError:
        connection.close()
        raise
    connection.close()
    return None


def _heard_since(
    sql: sqlite3.Connection, heard_us: int, tenant: str | None
) -> frozenset[str]:
    """Return the streams that have no end and of which something came since then."""
    rows = sql.execute(
        f"SELECT t.stream FROM stream t WHERE t.heard >= ? AND NOT {STREAM_ENDED}"
        " AND (? IS NULL OR t.tenant = ?)",
        (heard_us, tenant, tenant),
    )
    return frozenset(stream for (stream,) in rows)
