"""Answers about events: the queries of the published spec, the record of the page."""

__all__ = ()
