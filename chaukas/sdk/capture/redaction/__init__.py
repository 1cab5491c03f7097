"""Find the secrets in what is captured, and hide them."""

__all__ = ()
