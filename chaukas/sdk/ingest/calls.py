"""
The calls of a collector, by path and by gRPC service, and what it offers.

One list for the collector and for the fake one of the test kit, so that a test that
passes against the one means the same against the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("FLAGS", "GRPC_CODES", "INGEST_PATHS", "SERVICES", "offer_of")

INGEST_PATHS: Final = {
    "/events": False,
    "/v1/events": False,
    "/events/batch": True,
    "/v1/events/batch": True,
}
"""Paths of the ingest calls, and whether each takes a batch."""

SERVICES: Final = (
    "chaukas.spec.client.v1.ChaukasClientService",
    "chaukas.spec.server.v1.ChaukasServerService",
    "chaukas.v1.ChaukasService",
)
"""Names under which a collector serves its gRPC calls."""

FLAGS: Final = (
    "worm_retention",
    "audit_proofs",
    "distributed_query",
    "rbac",
    "sso",
    "policy_decisions",
    "data_access_events",
)
"""The capabilities that the published backend shows."""

GRPC_CODES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "UNIMPLEMENTED",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    413: "RESOURCE_EXHAUSTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    504: "DEADLINE_EXCEEDED",
}
"""gRPC status codes that mean what an HTTP status does; UNAVAILABLE for others."""


def offer_of(
    ingest: Sequence[str],
    encodings: Sequence[str],
    *,
    max_batch_events: int,
    max_body_bytes: int,
    max_event_bytes: int,
) -> dict[str, Any]:
    """Return what `GET /v1/capabilities` says of the formats and the limits."""
    return {
        "ingest": list(ingest),
        "encodings": list(encodings),
        "max_batch_events": max_batch_events,
        "max_body_bytes": max_body_bytes,
        "max_event_bytes": max_event_bytes,
    }
