"""
Keeps what a sender does out of every record, ours and others'.

A program that traces its HTTP client would otherwise trace the delivery of its own
traces, for ever.
"""

from __future__ import annotations

import sys
from typing import Final

from chaukas.sdk.context import SUPPRESSED

__all__ = ["hush"]

_OTEL_KEYS: Final = ("suppress_instrumentation", "suppress_http_instrumentation")


def hush() -> None:
    """
    Let nothing that this thread does from now on be recorded.

    For threads of chaukas only: it is never undone. Called before each batch,
    because OpenTelemetry may be loaded at any time; it is never imported here.
    """
    SUPPRESSED.set(True)
    api = sys.modules.get("opentelemetry.context")
    if api is None:
        return
    try:
        for key in _OTEL_KEYS:
            if not api.get_value(key):
                api.attach(api.set_value(key, True))
    except Exception:
        # Half imported by another thread, or another version: the next batch
        # comes soon, and being traced once breaks nothing.
        return
