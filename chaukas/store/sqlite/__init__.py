"""The SQLite store: one file, one writer, any number of readers."""

from .read import SqliteReader
from .writer import SqliteStore, stored_reader

__all__ = ("SqliteReader", "SqliteStore", "stored_reader")
