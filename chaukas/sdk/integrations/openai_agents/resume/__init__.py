"""Runs of the Agents SDK that are suspended and go on later."""

__all__ = ()
