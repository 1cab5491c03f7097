"""The voice pipeline of the Agents SDK."""

__all__ = ()
