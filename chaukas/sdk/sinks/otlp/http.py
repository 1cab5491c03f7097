"""Sends spans as OTLP over HTTP, in protobuf, on the connection of the collector's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from chaukas.sdk.sinks.collector.envelope import compressed
from chaukas.sdk.sinks.collector.exchange import HttpClient

from .answers import ADVICE, answer_of_reply
from .sink import OtlpSink

if TYPE_CHECKING:
    from collections.abc import Mapping as Headers
    from collections.abc import Sequence

    from chaukas.sdk.sinks.collector.responses import Answer

    from .encode import Resource
    from .mapping.spans import Mapping

__all__ = ["OtlpHttp"]

_KIND: Final = "application/x-protobuf"
_GZIP_FROM_BYTES: Final = 1024
_SAYS_WHO: Final = frozenset({"authorization", "api-key", "x-api-key", "dd-api-key"})


class OtlpHttp(OtlpSink):
    """
    Posts requests to the address for traces.

    Args:
        endpoint: That address whole, with its path.
        mapping: How spans are written.
        resource: What is the same for all of them.
        headers: Sent with each request; they say who sends.
        is_gzip: Whether requests are compressed.
        signals: What is sent, of `traces`, `logs` and `metrics`.
        **options: Of `CollectorSink`: certificates, times, clocks.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        mapping: Mapping,
        resource: Resource,
        headers: Headers[str, str],
        is_gzip: bool = True,
        signals: Sequence[str] = ("traces",),
        **options: Any,
    ) -> None:
        super().__init__(mapping, resource, signals)
        self._client = _Client(endpoint, headers, **options)
        self.place = self._client.place
        self._is_gzip = is_gzip

    def post(self, signal: str, body: bytes, lines: Sequence[int]) -> Answer:
        """See `OtlpSink`."""
        return self._client.answered(lambda: self._post_once(signal, body, lines))

    def close(self) -> None:
        """Close the connection; a later `send` opens another."""
        self._client.close()

    def abandon(self) -> None:
        """Close the inherited connection, without a word to the other end."""
        self._client.abandon()

    def _post_once(self, signal: str, body: bytes, lines: Sequence[int]) -> Answer:
        client, headers = self._client, {"content-type": _KIND}
        packed = body
        if self._is_gzip and len(body) > _GZIP_FROM_BYTES:
            headers["content-encoding"] = "gzip"
            packed = compressed(body)
        client.signal = signal
        reply = client.exchange("POST", "", headers, packed)
        if reply.status == 415 and packed is not body:
            self._is_gzip = False
            del headers["content-encoding"]
            reply = client.exchange("POST", "", headers, body)
        return answer_of_reply(
            reply,
            lines,
            place=client.place,
            now_s=client.wall(),
            credential=client.credential,
        )


class _Client(HttpClient):
    """A connection whose headers say who sends."""

    advice = ADVICE
    signal = "traces"

    def __init__(
        self, endpoint: str, headers: Headers[str, str], **options: Any
    ) -> None:
        super().__init__(endpoint, **options)
        self._headers = dict(headers)

    @property
    def path(self) -> str:
        """Path for the signal that is sent: that for traces as it was given."""
        path = self.parts.path or "/"
        if self.signal == "traces":
            return path
        return f"{path.removesuffix('/v1/traces')}/v1/{self.signal}"

    @property
    def credential(self) -> str:
        """What is sent to say who we are, as messages call it."""
        if any(name.lower() in _SAYS_WHO for name in self._headers) or self._headers:
            return "key"
        return "no key" if self.parts.username is None else "password"

    def identity(self) -> dict[str, str]:
        """Return the headers that say who sends."""
        return {**super().identity(), **self._headers}
