"""How each known type of object is read, without running its code."""

__all__ = ()
