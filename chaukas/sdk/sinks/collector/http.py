"""
Sends events to a collector over HTTP.

The published protobuf call works with every Chaukas backend; JSON lines cost a
fraction of it, so they are used where the collector says that it takes them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from .envelope import compressed, json_lines, one_event
from .exchange import HttpClient
from .probe import Probe
from .responses import Action, Answer, answer_of_http, too_large
from .verdicts import Backend, Reply, backend_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .envelope import Envelope

__all__ = ["HttpSink"]

_PROTOBUF: Final = "application/x-protobuf"
_JSON_LINES: Final = "application/x-ndjson"
_GZIP_FROM_BYTES: Final = 1024
_ASK_AGAIN_S: Final = 300.0
_NO_SUCH_CALL: Final = frozenset({404, 405})


@dataclass(frozen=True, slots=True)
class _Offer:
    """What the collector says that it takes; for most backends, nothing."""

    json_lines: bool = False
    gzip: bool = True
    is_gzip_sure: bool = False
    """Whether a 400 cannot come from the compression."""
    batch_events: int | None = None
    body_bytes: int | None = None
    backend: Backend = Backend.UNKNOWN


class HttpSink(HttpClient):
    """
    Send batches to `{endpoint}/events/batch`, over one connection kept alive.

    What was learnt of the collector (JSON lines, compression, its limits) is kept,
    and asked for again after a failure, since another may stand there then.

    Its endpoint is `http(s)://host[:port][/path]`. A user and password in it are
    sent as Basic authorization when there is no key.
    """

    name = "http"
    _offer: _Offer | None = None
    _is_ours = False
    _ask_at_s = 0.0
    _single_until_s = 0.0

    def send(self, lines: Sequence[bytes]) -> Answer:
        """Send a batch and say what became of it; see `Remote`."""
        return self.answered(lambda: self._send(lines))

    def forget(self) -> None:
        """Ask for everything anew: another may stand there at the next try."""
        self._offer = None

    def probe(self) -> Probe:
        """Send a batch without events: it shows as much, and nothing is stored."""
        answer = self.answered(self._send_nothing)
        offer = self._offer or _Offer()
        form = "JSON lines" if offer.json_lines else "protobuf"
        return Probe(answer, f"POST {self.path}/events/batch, {form}, no events")

    def _send(self, lines: Sequence[bytes]) -> Answer:
        offer = self._current_offer()
        if self.monotonic() < self._single_until_s:
            return self._send_single(lines, None)
        if offer.batch_events and len(lines) > offer.batch_events:
            return too_large("batch limit", self.place, "by its own limits")
        envelope = json_lines(lines) if offer.json_lines else self.envelope(lines)
        if not envelope.kept:
            return Answer(Action.ACKED, envelope.refused)
        if offer.body_bytes and len(envelope.body) > offer.body_bytes:
            return too_large("body limit", self.place, "by its own limits")
        return self._send_batch(lines, envelope, offer)

    def _send_nothing(self) -> Answer:
        offer = self._current_offer()
        kind = _JSON_LINES if offer.json_lines else _PROTOBUF
        body = b"" if offer.json_lines else self.envelope(()).body
        reply = self._post("/events/batch", kind, body)
        if reply.status in _NO_SUCH_CALL:
            # The call for one event would store one. Whether it exists, its answer
            # to a wrong method shows as well.
            is_there = self.exchange("GET", "/events", {}, None).status == 405
            return Answer(Action.ACKED) if is_there else self._answer_of(reply, ())
        return self._answer_of(reply, ())

    def _send_batch(
        self, lines: Sequence[bytes], envelope: Envelope, offer: _Offer
    ) -> Answer:
        kind = _JSON_LINES if offer.json_lines else _PROTOBUF
        reply = self._post("/events/batch", kind, envelope.body)
        if reply.status == 415 and offer.json_lines:
            self._offer = replace(offer, json_lines=False)
            return self._send(lines)
        if reply.status in _NO_SUCH_CALL:
            return self._send_single(lines, reply)
        return envelope.answer(self._answer_of(reply, envelope.lines(lines)))

    def _send_single(self, lines: Sequence[bytes], batch_reply: Reply | None) -> Answer:
        """
        Try the call for one event, the only one that some backends have.

        A larger batch is answered by SPLIT, so that each event gets an answer of
        its own. After a while the call for a batch is tried again: its absence
        may have been a mistake of the moment.

        Args:
            lines: The batch.
            batch_reply: The answer to the call for a batch, if that was made.
        """
        if batch_reply is None and len(lines) > 1:
            return _SPLIT
        body = one_event(lines[0])
        if body is None:
            refused = ((0, "invalid"),)
            return Answer(Action.ACKED, refused) if len(lines) == 1 else _SPLIT
        reply = self._post("/events", _PROTOBUF, body)
        answer = self._answer_of(reply, lines[:1], is_single=True)
        # A refusal of this event shows as well that the call exists.
        if answer.action in (Action.ACKED, Action.BISECT):
            if batch_reply is not None:
                self._single_until_s = self.monotonic() + _ASK_AGAIN_S
            return answer if len(lines) == 1 else _SPLIT
        if reply.status in _NO_SUCH_CALL:
            self._single_until_s = 0.0
        return answer if batch_reply is None else self._answer_of(batch_reply, lines)

    def _answer_of(
        self, reply: Reply, lines: Sequence[bytes], *, is_single: bool = False
    ) -> Answer:
        return answer_of_http(
            reply,
            lines=lines,
            place=self.place,
            now_s=self.wall(),
            backend=self._backend(),
            is_single=is_single,
            credential=self._credential(),
        )

    def _backend(self) -> Backend:
        if self._is_ours:
            return Backend.OURS
        if self.is_published:
            return Backend.DECLARED
        return self._offer.backend if self._offer else Backend.UNKNOWN

    def _credential(self) -> str:
        has_password = self.key.kind == "no key" and self.parts.username is not None
        return "password" if has_password else self.key.kind

    def _post(self, path: str, kind: str, body: bytes) -> Reply:
        """Send a body, compressed unless this backend is known not to read that."""
        offer = self._current_offer()
        headers = {"content-type": kind}
        if not offer.gzip or len(body) <= _GZIP_FROM_BYTES:
            return self.exchange("POST", path, headers, body)
        packed = {**headers, "content-encoding": "gzip"}
        reply = self.exchange("POST", path, packed, compressed(body))
        if 200 <= reply.status < 300 and not offer.is_gzip_sure:
            self._offer = replace(offer, is_gzip_sure=True)
        # A backend that knows no compression may as well answer 400.
        if reply.status != 415 and (reply.status != 400 or offer.is_gzip_sure):
            return reply
        plain = self.exchange("POST", path, headers, body)
        if plain.status not in (400, 415):
            self._offer = replace(offer, gzip=False)
        return plain

    def _current_offer(self) -> _Offer:
        if self._offer is None or self.monotonic() >= self._ask_at_s:
            is_versioned = self.path.endswith("/v1")
            path = "/capabilities" if is_versioned else "/v1/capabilities"
            reply = self.exchange("GET", path, {}, None)
            is_final = reply.status in _NO_SUCH_CALL or 200 <= reply.status < 300
            wait_s = float("inf") if is_final else _ASK_AGAIN_S
            self._ask_at_s = self.monotonic() + wait_s
            self._offer = _offer_of(reply.body) if reply.status == 200 else _Offer()
            # For good: who once was the collector may be hidden by something else
            # at any moment, whose answers are then no acks.
            self._is_ours = self._is_ours or self._offer.backend is Backend.OURS
        return self._offer


_SPLIT: Final = Answer(Action.SPLIT, cause="single events")


def _offer_of(body: bytes) -> _Offer:
    """Read the capabilities of a collector; anything else offers nothing."""
    import orjson

    try:
        data = orjson.loads(body)
    except ValueError:
        return _Offer()
    backend = backend_of(data)
    if not isinstance(data, dict) or not isinstance(data.get("ingest"), list):
        return _Offer(backend=backend)
    encodings = data.get("encodings")
    is_told = isinstance(encodings, list)
    return _Offer(
        json_lines="ndjson" in data["ingest"],
        gzip="gzip" in encodings if isinstance(encodings, list) else True,
        is_gzip_sure=is_told,
        batch_events=_limit(data.get("max_batch_events")),
        body_bytes=_limit(data.get("max_body_bytes")),
        backend=backend,
    )


def _limit(value: object) -> int | None:
    return value if type(value) is int and value > 0 else None
