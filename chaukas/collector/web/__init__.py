"""HTTP: what every request passes, reading its body, the routes."""

__all__ = ()
