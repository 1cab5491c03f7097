"""Keeping a store in order: checks, copies, removal, and the record of all that."""

__all__ = ()
