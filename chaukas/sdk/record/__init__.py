"""Make events: their content, their place, their sessions, runs and retries."""

__all__ = ()
