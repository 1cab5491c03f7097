"""Runs inside of one another, as of crews, graphs and workflows."""

__all__ = ()
