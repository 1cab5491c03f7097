"""What the integration of any framework is built on."""

__all__ = ()
