"""What a collector and its clients say to one another: calls, bodies, verdicts."""

__all__ = ()
