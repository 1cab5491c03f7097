"""From the bytes of a request to events, within limits."""

__all__ = ()
