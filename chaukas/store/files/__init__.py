"""Files, folders and spools as sources of events, read into an index."""

__all__ = ()
