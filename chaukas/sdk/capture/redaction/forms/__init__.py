"""Places of secrets in commands, calls and statements, known by the words around."""

__all__ = ()
