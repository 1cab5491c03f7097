"""The base of the HTTP and gRPC sinks: endpoint, API key, TLS, errors of these."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from chaukas.sdk.config import endpoint_without_secrets
from chaukas.sdk.system.clock import timestamp_of
from chaukas.sdk.system.ids import RandomIds

from .address import place_with_port
from .credentials import Key, KeyUnreadableError
from .envelope import protobuf
from .responses import LATE_S, key_late, key_missing, tls_unusable
from .tls import TlsFilesError, Trust

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from .envelope import Envelope
    from .responses import Answer

__all__ = ["CollectorSink"]


class CollectorSink:
    """
    A collector at an endpoint; nothing is opened or imported before the first `send`.

    Args:
        endpoint: Its address; each kind of sink says of which form.
        api_key: The key, or a function that returns it.
        api_key_file: File that holds the key; used without an `api_key`.
        ca_file: PEM file of the authorities to trust instead of the system's.
        client_cert: PEM file of our own certificate, for mutual TLS.
        client_key: PEM file of its private key.
        compat: `published` says that the endpoint is the published backend, whose
            HTTP answers may be empty; `auto` lets it show that by its capabilities.
        timeout_s: Longest time of one `send`, in seconds, however slowly an
            answer trickles in. Only a resolver of names can take longer.
        wall: Wall clock in seconds.
        monotonic: Clock for intervals in seconds.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        api_key: str | Callable[[], str] | None = None,
        api_key_file: str | os.PathLike[str] | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        client_cert: str | os.PathLike[str] | None = None,
        client_key: str | os.PathLike[str] | None = None,
        compat: str = "auto",
        timeout_s: float = 10.0,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.endpoint = endpoint
        self.parts = urlsplit(endpoint)
        self.place = place_with_port(endpoint_without_secrets(endpoint), self.parts)
        """The endpoint for people, without secrets."""
        self.key = Key(api_key, api_key_file, monotonic)
        self.trust = Trust.of(ca_file, client_cert, client_key)
        self.is_published = compat == "published"
        self.timeout_s = timeout_s
        self.wall = wall
        self.monotonic = monotonic
        self._ids = RandomIds()

    def answered(self, act: Callable[[], Answer]) -> Answer:
        """Return the answer that *act* gets, or what stands in its way."""
        try:
            return act()
        except KeyUnreadableError as error:
            return key_missing(self.place, str(error), error.remedy)
        except TlsFilesError as error:
            return tls_unusable(self.place, str(error))

    def overdue(self, now_s: float) -> str:
        """Say so if the API key has been waited for too long; see `Remote`."""
        source = self.key.late_source(now_s, LATE_S)
        return key_late(self.place, source) if source else ""

    def envelope(self, lines: Sequence[bytes]) -> Envelope:
        """Put a batch into protobuf, under an id of its own."""
        now_ns = int(self.wall() * 1e9)
        batch_id, timestamp = self._ids.event_id(now_ns), timestamp_of(now_ns)
        return protobuf(lines, batch_id=batch_id, timestamp=timestamp)
