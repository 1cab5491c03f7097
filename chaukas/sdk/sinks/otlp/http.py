"""Sends OTLP over HTTP, in protobuf, on the connection of the collector's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from chaukas.sdk.sinks.collector.envelope import compressed
from chaukas.sdk.sinks.collector.exchange import HttpClient

from .answers import ADVICE, answer_of_reply

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chaukas.sdk.sinks.collector.responses import Answer

__all__ = ["OtlpHttpClient"]

_KIND: Final = "application/x-protobuf"
_GZIP_FROM_BYTES: Final = 1024


class OtlpHttpClient(HttpClient):
    """
    Posts requests to the address for each signal; the headers say who sends.

    Args:
        endpoint: The address for traces whole, with its path.
        headers: Sent with each request; they say who sends.
        is_gzip: Whether requests are compressed.
        **options: Of `CollectorSink`: certificates, times, clocks.
    """

    advice = ADVICE
    _signal = "traces"

    def __init__(
        self,
        endpoint: str,
        *,
        headers: Mapping[str, str],
        is_gzip: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(endpoint, **options)
        self._headers = dict(headers)
        self._is_gzip = is_gzip

    def post(self, signal: str, body: bytes, lines: Sequence[int]) -> Answer:
        """See `OtlpClient`."""
        headers = {"content-type": _KIND}
        packed = body
        if self._is_gzip and len(body) > _GZIP_FROM_BYTES:
            headers["content-encoding"] = "gzip"
            packed = compressed(body)
        self._signal = signal
        reply = self.exchange("POST", "", headers, packed)
        if reply.status == 415 and packed is not body:
            self._is_gzip = False
            del headers["content-encoding"]
            reply = self.exchange("POST", "", headers, body)
        return answer_of_reply(
            reply,
            lines,
            place=self.place,
            now_s=self.wall(),
            credential=self.credential,
        )

    @property
    def path(self) -> str:
        """Path for the signal that is sent: that for traces as it was given."""
        path = self.parts.path or "/"
        if self._signal == "traces":
            return path
        return f"{path.removesuffix('/v1/traces')}/v1/{self._signal}"

    @property
    def credential(self) -> str:
        """What is sent to say who we are, as messages call it."""
        if self._headers:
            return "key"
        return "no key" if self.parts.username is None else "password"

    def identity(self) -> dict[str, str]:
        """Return the headers that say who sends."""
        return {**super().identity(), **self._headers}
