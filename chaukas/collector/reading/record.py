"""What the page and the queries read: one tenant's part of the store."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final

from chaukas.query import Query, UnreadableError
from chaukas.query.stored import all_read

if TYPE_CHECKING:
    from chaukas.query.answers import Status
    from chaukas.store.sqlite import SqliteStore

__all__ = ("UNREADABLE", "TenantRecord")

UNREADABLE: Final = "The record cannot be read now: come again."


class _BusyError(UnreadableError):
    """The store cannot be opened now; whoever asks need not know where it is."""

    def __init__(self) -> None:
        Exception.__init__(self, UNREADABLE)


class TenantRecord:
    """
    A record of the page; see `chaukas.viewer.record`.

    Args:
        store: Where the events are.
        tenant: Whose; None for the owner of the machine, who sees all.
    """

    def __init__(self, store: SqliteStore, tenant: str | None) -> None:
        self._store = store
        self._tenant = tenant

    def query(self) -> Query:
        """
        Return a query for the calling thread.

        Raises:
            UnreadableError: Too many files are open, or the like.
        """
        try:
            return Query(self._store.reader(self._tenant), self.status)
        except sqlite3.OperationalError:
            raise _BusyError from None

    def status(self) -> Status:
        """Return that everything is read: the collector's store is the record."""
        events, problem = 0, ""
        try:
            reader = self._store.reader(self._tenant)
        except sqlite3.OperationalError:
            problem = UNREADABLE
        else:
            try:
                events = reader.event_count()
            finally:
                reader.close()
        name = "collector" if self._tenant is None else f"collector: {self._tenant}"
        return all_read(name, events, problem)
