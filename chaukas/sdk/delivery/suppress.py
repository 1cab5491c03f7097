"""
Suppresses tracing of our own requests, by chaukas and by other tracers.

A program that traces its HTTP client would otherwise trace the delivery of its own
traces, for ever.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from chaukas.sdk.record.context import SUPPRESSED

__all__ = ["suppress_tracing"]

_OTEL_KEYS: Final = ("suppress_instrumentation", "suppress_http_instrumentation")


def suppress_tracing() -> None:
    """
    Let nothing that this thread does from now on be recorded.

    For threads of chaukas only: it is never undone. Called before each batch, because
    OpenTelemetry and Sentry may be loaded at any time; they are never imported here.
    """
    SUPPRESSED.set(True)
    for name, act in (
        ("opentelemetry.context", _suppress_otel),
        ("sentry_sdk", _suppress_sentry),
    ):
        api = sys.modules.get(name)
        if api is None:
            continue
        try:
            act(api)
        except Exception:  # noqa: S112
            # Half imported by another thread, or another version: the next batch
            # comes soon, and being traced once breaks nothing.
            continue


def _suppress_otel(api: Any) -> None:
    for key in _OTEL_KEYS:
        if not api.get_value(key):
            api.attach(api.set_value(key, True))


def _suppress_sentry(api: Any) -> None:
    """Give this thread a client of its own that has no integration and no address."""
    scope = api.get_isolation_scope()
    if scope.client is not _SILENT.get(api):
        # Empty texts: what is left out is asked of the environment, and of git.
        client = api.Client(dsn="", release="", default_integrations=False)
        scope.set_client(_SILENT.setdefault(api, client))


_SILENT: Final[dict[Any, Any]] = {}
"""The client that each copy of Sentry's module has for our threads."""
