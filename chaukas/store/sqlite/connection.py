"""Connections to a store's file, all of one kind."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ("Writing", "connect", "connect_to_read")

_BUSY_S: Final = 60.0
_PAGE_BYTES: Final = 8192
_CACHE_KB: Final = 65_536
_READER_KB: Final = 8192


def connect(
    path: Path | str, *, is_durable: bool, is_reader: bool = False
) -> sqlite3.Connection:
    """
    Return a connection to a store's file, which is made if it is not there.

    Args:
        path: Of the file.
        is_durable: Whether what is committed survives the machine's sudden end; an
            index that can be made again need not.
        is_reader: There may be many at a time, so that each has little memory.
    """
    # It is used by one thread at a time, which its owner sees to.
    connection = sqlite3.connect(
        path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
    )
    # Before anything is in it: bodies are of a size of which few fit into less.
    connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {'FULL' if is_durable else 'OFF'}")
    connection.execute(f"PRAGMA cache_size = -{_READER_KB if is_reader else _CACHE_KB}")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def connect_to_read(path: Path | str) -> sqlite3.Connection:
    """Return a connection to somebody's store, which it cannot change in any way."""
    uri = f"{Path(path).absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(
        uri, uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA query_only = 1")
    connection.execute(f"PRAGMA cache_size = -{_READER_KB}")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


class Writing(Protocol):
    """What removes from a store needs of it."""

    @property
    def path(self) -> Path | str:
        """Of its file."""

    def transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        """Hold the one right to write; commit at the end, or undo all."""

    def shrink(self) -> None:
        """Overwrite the log too."""
