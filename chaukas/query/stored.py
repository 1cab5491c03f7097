"""A collector's folder, or a copy of its store, as a source: asked where it lies."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Final

from chaukas.sdk._version import VERSION
from chaukas.store.files.lines import UnreadableError
from chaukas.store.protocol import SILENT_AFTER_S
from chaukas.store.sqlite import stored_reader

from .answers import Status
from .query import Query
from .remote.failures import CollectorError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from chaukas.store.answers import EventRow, Label
    from chaukas.store.files.index import Progress

    from .labels import NewLabel

__all__ = ("StoredSource", "all_read", "followed", "store_in")

_SQLITE: Final = b"SQLite format 3\0"
_LOOK_AGAIN_S: Final = 0.25


def store_in(path: Path) -> Path | None:
    """Return the store of a collector that a path names; None for anything else."""
    store = path / "events.sqlite" if path.is_dir() else path
    try:
        if not store.is_file():
            return None
        with store.open("rb") as file:
            return store if file.read(len(_SQLITE)) == _SQLITE else None
    except OSError:
        return None


def all_read(name: str, events: int, problem: str = "") -> Status:
    """
    Return the status of a store: whatever is committed in it can be asked.

    Args:
        name: Of the store, for people.
        events: How many it has.
        problem: Why it cannot be asked now; empty if it can.
    """
    return Status(
        source=name,
        state="ready",
        done_bytes=0,
        total_bytes=0,
        events=events,
        skipped_lines=0,
        repeated=0,
        conflicts=0,
        problem=problem,
        version=VERSION,
    )


def followed(
    query: Query, number: int, filter: str, renew: Callable[[], None]
) -> Iterator[list[EventRow]]:
    """
    Yield whole events as they come, and nothing now and then; without end.

    Args:
        query: Of the record; closed at the end.
        number: Of the event after which to begin.
        filter: Which events.
        renew: Is called before each look.
    """
    with closing(query):
        while True:
            rows, number = query.events_after(number, filter)
            yield rows
            if not rows:
                time.sleep(_LOOK_AGAIN_S)
            renew()


class StoredSource:
    """
    A collector's store, of all tenants. See `OpenedRecord`.

    It is only read, and may be in use by its collector meanwhile.

    Args:
        path: What a person named.
        store: The store's file.
    """

    def __init__(self, path: Path, store: Path) -> None:
        self._path = path
        self._store = store

    @property
    def name(self) -> str:
        """What it is called, for people."""
        return str(self._path)

    @property
    def whose(self) -> str:
        """Nobody's in particular: the owner of the machine sees all."""
        return ""

    def read(self, progress: Callable[[Progress], None] | None = None) -> None:
        """
        Do nothing but look: all that is committed can be asked.

        Raises:
            UnreadableError: It is of another version, or damaged.
        """
        del progress
        self.status()

    def status(self) -> Status:
        """Return that everything is read; from any thread."""
        query = self.query()
        try:
            events = query.event_count()
        except sqlite3.DatabaseError as error:
            raise UnreadableError(self._store, str(error), _DAMAGED) from None
        finally:
            query.close()
        return all_read(self.name, events)

    def query(self) -> Query:
        """
        Return what can be asked; for one thread, to be closed by its user.

        Raises:
            UnreadableError: It is of another version, or damaged.
        """
        heard_us = time.time_ns() // 1000 - round(SILENT_AFTER_S * 1e6)
        try:
            reader = stored_reader(self._store, heard_us)
        except sqlite3.DatabaseError as error:
            raise UnreadableError(self._store, str(error), _DAMAGED) from None
        if reader is None:
            reason = "it is no store of a collector of this version of chaukas"
            raise UnreadableError(self._store, reason, _OTHER)
        return Query(reader, self.status)

    def follow(
        self,
        number: int,
        filter: str = "",
        trouble: Callable[[str], None] = lambda _line: None,
    ) -> Iterator[list[EventRow]]:
        """Yield whole events as they are taken; see `OpenedRecord`."""
        del trouble
        return followed(self.query(), number, filter, lambda: None)

    def label(self, new: NewLabel, now_ns: int) -> Label:
        """Refuse: a collector takes labels itself."""
        del new, now_ns
        text = f"{self.name} belongs to a collector, and is only read here."
        raise CollectorError(f"{text} Start it, and give its address instead.")

    def close(self) -> None:
        """Do nothing: each query has closed its own connection."""


_OTHER: Final = "A collector of this version brings an older one up to date."
_DAMAGED: Final = (
    "See what can be read with: chaukas collector recover FILE, or restore a copy."
)
