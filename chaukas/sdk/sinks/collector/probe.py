"""
Checks the connection to a collector step by step: name, port, TLS.

A batch that fails says only that it failed; a person wants to know whether it was
the name, the port, the certificate or the key.
"""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from .address import host_and_port
from .tls import TlsFilesError, Trust

if TYPE_CHECKING:
    from .responses import Answer

__all__ = ["Probe", "Reach", "proxy_of", "reach"]

_SECURE: Final = frozenset({"https", "grpcs"})


@dataclass(frozen=True, slots=True)
class Probe:
    """What a collector answered to a batch without events."""

    answer: Answer
    request: str
    """What was asked, for people."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How far the way to a collector leads."""

    host: str
    port: int
    addresses: tuple[str, ...] = ()
    """What the name resolves to."""
    dns_ms: float | None = None
    connect_ms: float | None = None
    tls_ms: float | None = None
    """Time that each step took; None for a step that was not reached."""
    tls_version: str = ""
    expires_at_s: float | None = None
    """Wall time at which the collector's certificate ends."""
    trouble: str = ""
    """`dns`, `refused`, `timeout`, `tls`, `files` or `network`; empty if reached."""
    words: str = ""
    """What the system or the TLS library says of the trouble."""


def reach(endpoint: str, trust: Trust, timeout_s: float) -> Reach:
    """
    Resolve the collector's name, connect, and shake hands if TLS is wanted.

    Args:
        endpoint: `http(s)://…` or `grpc(s)://…`.
        trust: What TLS needs to know.
        timeout_s: Longest time of each step; a resolver may take longer.
    """
    parts = urlsplit(endpoint)
    host, port = host_and_port(parts)
    facts: dict[str, object] = {}
    try:
        _go(host, port, trust if parts.scheme in _SECURE else None, timeout_s, facts)
    except TlsFilesError as error:
        facts.update(trouble="files", words=str(error))
    except (OSError, UnicodeError, ValueError) as error:
        facts.update(trouble=_name_of(error), words=str(error))
    # The keys are those of the class: they are written a few lines below.
    return Reach(host, port, **facts)  # type: ignore[arg-type]


def proxy_of(endpoint: str) -> str:
    """
    Return the `host:port` of the proxy on the way over HTTP, or an empty text.

    Args:
        endpoint: `http(s)://…`.

    Raises:
        ValueError: The environment names something that is no proxy.
    """
    # Loading urllib3 takes longer than loading all of the SDK.
    from .connection import TroubleError, proxy_to

    try:
        proxy = proxy_to(urlsplit(endpoint))
    except TroubleError:
        raise ValueError from None
    return "" if proxy is None else "{}:{}".format(*host_and_port(proxy))


def _go(
    host: str,
    port: int,
    trust: Trust | None,
    timeout_s: float,
    facts: dict[str, object],
) -> None:
    """Take the steps, noting in *facts* what is known after each."""
    context = None if trust is None else trust.context()
    begun_s = time.monotonic()
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    facts["dns_ms"] = _since_ms(begun_s)
    facts["addresses"] = tuple(dict.fromkeys(str(each[4][0]) for each in found))
    begun_s = time.monotonic()
    with socket.create_connection((host, port), timeout_s) as made:
        facts["connect_ms"] = _since_ms(begun_s)
        if context is None:
            return
        begun_s = time.monotonic()
        with context.wrap_socket(made, server_hostname=host) as secured:
            facts["tls_ms"] = _since_ms(begun_s)
            facts["tls_version"] = secured.version() or ""
            certificate = secured.getpeercert() or {}
            end = certificate.get("notAfter")
            if isinstance(end, str):
                facts["expires_at_s"] = float(ssl.cert_time_to_seconds(end))


def _since_ms(begun_s: float) -> float:
    return (time.monotonic() - begun_s) * 1000


def _name_of(error: Exception) -> str:
    for name, kinds in _NAMES:
        if isinstance(error, kinds):
            return name
    return "network"


_NAMES: Final[tuple[tuple[str, tuple[type[Exception], ...]], ...]] = (
    ("timeout", (TimeoutError,)),
    ("dns", (socket.gaierror, UnicodeError)),
    ("tls", (ssl.SSLError, ssl.CertificateError)),
    ("refused", (ConnectionRefusedError,)),
)
