"""The spool: events that wait on disk, one folder for each process."""

__all__ = ()
