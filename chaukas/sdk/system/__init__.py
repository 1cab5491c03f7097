"""The process and the machine: clock, ids, threads, forks, internal errors."""

__all__ = ()
