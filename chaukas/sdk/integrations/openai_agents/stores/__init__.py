"""Session stores of the Agents SDK."""

__all__ = ()
