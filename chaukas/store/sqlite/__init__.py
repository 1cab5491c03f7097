"""The SQLite store: one file, one writer, any number of readers."""

from .read import SqliteReader
from .writer import SqliteStore

__all__ = ("SqliteReader", "SqliteStore")
