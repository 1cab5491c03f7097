"""
The host and port that an endpoint means.

In one place, so that what is tried, logged and checked by the doctor agrees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from urllib.parse import SplitResult

__all__ = ["host_and_port", "place_with_port"]

_PORTS: Final = {"http": 80, "https": 443, "grpc": 4181, "grpcs": 443}
"""By scheme; gRPC without TLS has no port of its own but the collector's."""


def host_and_port(parts: SplitResult) -> tuple[str, int]:
    """
    Return where to connect to.

    Args:
        parts: An endpoint, or the address of a proxy.

    Raises:
        ValueError: Its port is no number.
    """
    port = parts.port
    return parts.hostname or "", _PORTS.get(parts.scheme, 80) if port is None else port


def place_with_port(place: str, parts: SplitResult) -> str:
    """
    Return an endpoint for people, with the port that it leaves open.

    Args:
        place: The endpoint without secrets.
        parts: The endpoint.
    """
    if parts.port is not None or parts.scheme in ("http", "https"):
        return place
    return f"{place} (port {host_and_port(parts)[1]})"
