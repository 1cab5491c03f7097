"""What the integrations of all frameworks are built on."""

__all__ = ()
