"""Adds the words that a store lacks while the collector works: one thread, in turns."""

from __future__ import annotations

import logging
import sqlite3
import threading
from typing import TYPE_CHECKING, Final

from chaukas.store.sqlite.upkeep.indexing import index_words

if TYPE_CHECKING:
    from chaukas.store.sqlite import SqliteStore

__all__ = ("Indexer",)

_LOG: Final = logging.getLogger("chaukas.collector")


class Indexer:
    """
    Makes all events of a store searchable, beside the writer.

    What it has not done when it is closed is done the next time.
    """

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="chaukas-indexer", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop after the piece at hand."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            number = index_words(self._store, is_stopping=self._stopping.is_set)
        except (sqlite3.DatabaseError, OSError) as error:
            _LOG.error("not all events can be searched yet: %s", error)
        else:
            if number:
                _LOG.info("%d events that lacked it can be searched", number)
