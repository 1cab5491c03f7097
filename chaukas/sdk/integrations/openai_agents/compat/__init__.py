"""Releases of the Agents SDK that lack a hook point."""

__all__ = ()
