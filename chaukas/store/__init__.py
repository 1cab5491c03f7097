"""Keeps events so that they can be asked: SQLite, or memory for tests."""

__all__ = ()
