"""A collector for tests: its servers, its rules, its store."""

__all__ = ()
