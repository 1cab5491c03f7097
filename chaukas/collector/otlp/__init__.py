"""OTLP in: spans of other frameworks and languages become events."""

__all__ = ()
