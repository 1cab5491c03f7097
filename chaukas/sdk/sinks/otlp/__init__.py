"""
Send what was recorded as OpenTelemetry spans, to any backend that takes OTLP.

`mapping` makes spans of events, `encode` bytes of these, `sink` is what the sender
calls; `environment` says where spans go.
"""

__all__ = ()
