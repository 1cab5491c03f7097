"""What integrations of several frameworks share."""

__all__ = ()
