"""Sends spans, log records and metrics to a receiver, whichever protocol it speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from .sink import OtlpSink

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chaukas.sdk.sinks.collector.responses import Answer

    from .encode import Resource
    from .mapping.spans import Mapping

__all__ = ["OtlpClient", "ReceiverSink"]


class OtlpClient(Protocol):
    """A connection to a receiver."""

    place: str
    """The endpoint for people, without secrets."""

    def answered(self, act: Callable[[], Answer]) -> Answer:
        """Return the answer that *act* gets within the time, or what prevents one."""

    def post(self, signal: str, body: bytes, lines: Sequence[int]) -> Answer:
        """Send one request, within `answered`; see `OtlpSink`."""

    def close(self) -> None:
        """Close the connection; a later `post` opens another."""

    def abandon(self) -> None:
        """Forget the connection that a fork inherited, without a word to its end."""


class ReceiverSink(OtlpSink):
    """
    Sends to the endpoint of a receiver.

    Args:
        client: The connection to it.
        mapping: How spans are written.
        resource: What is the same for all of them.
        signals: What is sent, of `traces`, `logs` and `metrics`.
    """

    def __init__(
        self,
        client: OtlpClient,
        mapping: Mapping,
        resource: Resource,
        signals: Sequence[str] = ("traces",),
    ) -> None:
        super().__init__(mapping, resource, signals)
        self._client = client
        self.place = client.place

    def post(self, signal: str, body: bytes, lines: Sequence[int]) -> Answer:
        """See `OtlpSink`."""
        client = self._client
        return client.answered(lambda: client.post(signal, body, lines))

    def close(self) -> None:
        """Close the connection; a later `send` opens another."""
        self._client.close()

    def abandon(self) -> None:
        """Forget the inherited connection, without a word to the other end."""
        self._client.abandon()
