"""
From events to spans and log records: pure, without any encoding or network.

Read in this order: `names` (every name of an attribute), `join` (events to pairs),
`spans` (a pair to a span), `messages` (what models were asked and answered).
"""

__all__ = ()
