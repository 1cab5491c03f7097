"""The collector: one process that takes events, keeps them, and answers about them."""

__all__ = ()
