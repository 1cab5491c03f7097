"""
Sends events to a collector over HTTP.

The published protobuf call works with every Chaukas backend; JSON lines cost a
fraction of it, so they are used where the collector says that it takes them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from chaukas.sdk._version import VERSION
from chaukas.sdk.config import endpoint_without_secrets
from chaukas.sdk.system.clock import timestamp_of
from chaukas.sdk.system.fork_guard import holding_forks
from chaukas.sdk.system.ids import RandomIds

from .credentials import Key, KeyUnreadableError
from .envelope import compressed, json_lines, one_event, protobuf
from .probe import Probe
from .responses import (
    LATE_S,
    Action,
    Answer,
    answer_of_http,
    key_late,
    key_missing,
    misconfigured,
    tls_unusable,
    too_large,
    unreachable,
    untrusted,
)
from .tls import TlsFilesError, Trust
from .verdicts import Backend, Reply, backend_of

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from .connection import Connection, Deadline, TroubleError
    from .envelope import Envelope

__all__ = ["HttpSink"]

_PROTOBUF: Final = "application/x-protobuf"
_JSON_LINES: Final = "application/x-ndjson"
_GZIP_FROM_BYTES: Final = 1024
_ANSWER_LIMIT_BYTES: Final = 4 << 20
_ASK_AGAIN_S: Final = 300.0
_NO_SUCH_CALL: Final = frozenset({404, 405})
_REFUSES_KEY: Final = frozenset({401, 403})
_SAYS_OF_TROUBLE: Final = {
    "refused": "refuses connections",
    "timeout": "did not answer in time",
    "dns": "has a name that cannot be resolved now",
    "reset": "broke off the connection",
    "proxy": "cannot be reached through the proxy",
    "oversize": "answered more than any verdict holds",
    "network": "cannot be reached",
}


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


class HttpSink:
    """
    Send batches to `{endpoint}/events/batch`, over one connection kept alive.

    Nothing is opened or imported before the first `send`. What was learnt of
    the collector (JSON lines, compression, its limits) is kept, and asked for
    again after a failure, since another may stand there then.

    Args:
        endpoint: `http(s)://host[:port][/path]`. A user and password in it are
            sent as Basic authorization when there is no key.
        api_key: The key, or a function that returns it.
        api_key_file: File that holds the key; used without an `api_key`.
        ca_file: PEM file of the authorities to trust instead of the system's.
        client_cert: PEM file of our own certificate, for mutual TLS.
        client_key: PEM file of its private key.
        compat: `published` says that the endpoint is the published backend, whose
            answers may be empty; `auto` lets it show that by its capabilities.
        timeout_s: Longest time of one `send`, in seconds, however slowly an
            answer trickles in. Only a resolver of names can take longer.
        wall: Wall clock in seconds.
        monotonic: Clock for intervals in seconds.
    """

    name = "http"

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
        self._endpoint = endpoint
        parts = urlsplit(endpoint)
        self._path = parts.path.rstrip("/")
        self._query = f"?{parts.query}" if parts.query else ""
        self._basic = _basic_of(parts.username, parts.password)
        self._place = endpoint_without_secrets(endpoint)
        self._key = Key(api_key, api_key_file, monotonic)
        self._is_published = compat == "published"
        self._trust = Trust.of(ca_file, client_cert, client_key)
        self._timeout_s = timeout_s
        self._wall = wall
        self._monotonic = monotonic
        self._ids = RandomIds()
        self._connection: Connection | None = None
        self._deadline: Deadline | None = None
        self._offer: _Offer | None = None
        self._is_ours = False
        self._ask_at_s = 0.0
        self._single_until_s = 0.0

    def send(self, lines: Sequence[bytes]) -> Answer:
        """Send a batch and say what became of it; see `Remote`."""
        return self._answered(lambda: self._send(lines))

    def probe(self) -> Probe:
        """Send a batch without events: it tells as much, and nothing is stored."""
        answer = self._answered(self._send_nothing)
        offer = self._offer or _Offer()
        form = "JSON lines" if offer.json_lines else "protobuf"
        return Probe(answer, f"POST {self._path}/events/batch, {form}, no events")

    def _answered(self, act: Callable[[], Answer]) -> Answer:
        with holding_forks():
            # Loading urllib3 takes longer than loading all of the SDK.
            from .connection import TroubleError

        try:
            self._open().start(self._timeout_s)
            answer = act()
        except KeyUnreadableError as error:
            answer = key_missing(self._place, str(error), error.remedy)
        except TlsFilesError as error:
            answer = tls_unusable(self._place, str(error))
        except TroubleError as trouble:
            answer = self._answer_of_trouble(trouble)
        if answer.action in (Action.PARK, Action.RETRY):
            # The next try reads certificates and asks for everything anew, also
            # since what was not understood may be out of step with its request.
            self.close()
            self._offer = None
        return answer

    def overdue(self, now_s: float) -> str:
        """Say so if the API key has been waited for too long; see `Remote`."""
        source = self._key.late_source(now_s, LATE_S)
        return key_late(self._place, source) if source else ""

    def close(self) -> None:
        """Close the connection; a later `send` opens another."""
        if self._connection is not None:
            self._connection.close()

    def abandon(self) -> None:
        """Close the inherited connection, without a word to the other end."""
        self.close()
        self._connection = None
        self._offer = None

    def _open(self) -> Deadline:
        from .connection import Connection, Deadline

        if self._connection is None or self._deadline is None:
            self._deadline = Deadline(self._monotonic)
            self._connection = Connection(
                self._endpoint,
                trust=self._trust,
                deadline=self._deadline,
                limit_bytes=_ANSWER_LIMIT_BYTES,
            )
        return self._deadline

    def _send(self, lines: Sequence[bytes]) -> Answer:
        offer = self._current_offer()
        if self._monotonic() < self._single_until_s:
            return self._send_single(lines, None)
        if offer.batch_events and len(lines) > offer.batch_events:
            return too_large("batch limit", self._place, "by its own limits")
        envelope = json_lines(lines) if offer.json_lines else self._protobuf(lines)
        if not envelope.kept:
            return Answer(Action.ACKED, envelope.refused)
        if offer.body_bytes and len(envelope.body) > offer.body_bytes:
            return too_large("body limit", self._place, "by its own limits")
        return self._send_batch(lines, envelope, offer)

    def _send_nothing(self) -> Answer:
        offer = self._current_offer()
        kind = _JSON_LINES if offer.json_lines else _PROTOBUF
        body = b"" if offer.json_lines else self._protobuf(()).body
        reply = self._post("/events/batch", kind, body)
        if reply.status in _NO_SUCH_CALL:
            # The call for one event would store one. Whether it exists, its answer
            # to a wrong method tells as well.
            is_there = self._exchange("GET", "/events", {}, None).status == 405
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

    def _protobuf(self, lines: Sequence[bytes]) -> Envelope:
        now_ns = int(self._wall() * 1e9)
        return protobuf(
            lines,
            batch_id=self._ids.event_id(now_ns),
            timestamp=timestamp_of(now_ns),
        )

    def _send_single(self, lines: Sequence[bytes], batch_reply: Reply | None) -> Answer:
        """
        Try the call for one event, the only one that some backends have.

        A larger batch is told to be split, so that each event gets an answer of
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
                self._single_until_s = self._monotonic() + _ASK_AGAIN_S
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
            place=self._place,
            now_s=self._wall(),
            backend=self._backend(),
            is_single=is_single,
            credential=self._credential(),
        )

    def _backend(self) -> Backend:
        if self._is_ours:
            return Backend.OURS
        if self._is_published:
            return Backend.DECLARED
        return self._offer.backend if self._offer else Backend.UNKNOWN

    def _credential(self) -> str:
        has_password = self._key.kind == "no key" and self._basic
        return "password" if has_password else self._key.kind

    def _post(self, path: str, kind: str, body: bytes) -> Reply:
        """Send a body, compressed unless this backend is known not to read that."""
        offer = self._current_offer()
        headers = {"content-type": kind}
        if not offer.gzip or len(body) <= _GZIP_FROM_BYTES:
            return self._exchange("POST", path, headers, body)
        packed = {**headers, "content-encoding": "gzip"}
        reply = self._exchange("POST", path, packed, compressed(body))
        if 200 <= reply.status < 300 and not offer.is_gzip_sure:
            self._offer = replace(offer, is_gzip_sure=True)
        # A backend that knows no compression may as well answer 400.
        if reply.status != 415 and (reply.status != 400 or offer.is_gzip_sure):
            return reply
        plain = self._exchange("POST", path, headers, body)
        if plain.status not in (400, 415):
            self._offer = replace(offer, gzip=False)
        return plain

    def _exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> Reply:
        """Send a request; once more if the key was refused and is another now."""
        reply = self._exchange_once(method, path, headers, body)
        if reply.status in _REFUSES_KEY and self._key.renew():
            reply = self._exchange_once(method, path, headers, body)
        return reply

    def _exchange_once(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> Reply:
        if self._connection is None:
            raise RuntimeError
        key = self._key.text()
        authorization = f"Bearer {key}" if key else self._basic
        sent = {**headers, "user-agent": f"chaukas-sdk/{VERSION}"}
        if authorization:
            sent["authorization"] = authorization
        target = f"{self._path}{path}{self._query}"
        return self._connection.exchange(method, target, sent, body)

    def _current_offer(self) -> _Offer:
        if self._offer is None or self._monotonic() >= self._ask_at_s:
            is_versioned = self._path.endswith("/v1")
            path = "/capabilities" if is_versioned else "/v1/capabilities"
            reply = self._exchange("GET", path, {}, None)
            is_final = reply.status in _NO_SUCH_CALL or 200 <= reply.status < 300
            wait_s = float("inf") if is_final else _ASK_AGAIN_S
            self._ask_at_s = self._monotonic() + wait_s
            self._offer = _offer_of(reply.body) if reply.status == 200 else _Offer()
            # For good: who once was the collector may be hidden by something else
            # at any moment, whose answers are then no acks.
            self._is_ours = self._is_ours or self._offer.backend is Backend.OURS
        return self._offer

    def _answer_of_trouble(self, trouble: TroubleError) -> Answer:
        if trouble.kind == "tls":
            return untrusted(self._place, trouble.words)
        if trouble.status == 407 or trouble.kind == "proxy address":
            told = f"HTTP {trouble.status}"
            return misconfigured(trouble.kind, "proxy", self._place, told)
        what = _SAYS_OF_TROUBLE[trouble.kind]
        return unreachable(trouble.kind, self._place, what)


_SPLIT: Final = Answer(Action.SPLIT, cause="single events")


def _basic_of(user: str | None, password: str | None) -> str:
    if user is None:
        return ""
    from base64 import b64encode

    pair = f"{unquote(user)}:{unquote(password or '')}".encode()
    return f"Basic {b64encode(pair).decode()}"


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
