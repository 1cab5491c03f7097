"""Events that wait on disk: the folder of a process, and what is in it."""

__all__ = ()
