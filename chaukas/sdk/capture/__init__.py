"""Turn what the application holds into bounded, redacted JSON."""

__all__ = ()
