"""Find secrets in a text by the name that stands beside them."""

__all__ = ()
