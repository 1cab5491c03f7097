"""
Send what was recorded as OpenTelemetry spans, to any backend that takes OTLP.

Read in this order: `names` (every name of an attribute), `join` (events to pairs),
`spans` (a pair to a span), `messages` (what models were asked and answered), `encode`
(spans to bytes), `sink` (what the sender calls).
"""

__all__ = ()
