"""Keeping a SQLite store in order: checks, removal, what it lacks."""

__all__ = ()
