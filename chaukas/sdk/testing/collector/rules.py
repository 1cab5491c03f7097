"""
What the fake collector answers and stores, whichever server a request comes by.

The servers know sockets; which key is valid, which answer is next and what is stored
is decided here.
"""

from __future__ import annotations

import gzip
import threading
import uuid
import zlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from chaukas.sdk.ingest.bodies import items_of_json, items_of_protobuf
from chaukas.sdk.ingest.calls import FLAGS, INGEST_PATHS, offer_of

from .replies import Fault, Reply, Request
from .store import EventStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chaukas.sdk.ingest.bodies import Item
    from chaukas.sdk.ingest.verdict import Verdict
    from chaukas.sdk.typing import Event

__all__ = ["Outcome", "Rules"]

_REQUESTS_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to one HTTP request."""

    status: int
    body: bytes = b""
    kind: str = "application/json"
    """Its content type; not sent if empty."""


class Rules:
    """
    What one fake collector answers and has stored; used by many threads.

    All attributes may be changed while it runs.
    """

    def __init__(self) -> None:
        self.store = EventStore()
        self.stopped = threading.Event()
        """Set while the servers are stopped, which ends every wait."""
        self.always: Reply | None = None
        """The answer to batches that no script is for; None for the verdict."""
        self.keys: tuple[str, ...] = ()
        """API keys that are valid; set it to rotate them."""
        self.ingest: tuple[str, ...] = ("protobuf", "ndjson")
        self.encodings: tuple[str, ...] = ("gzip",)
        self.max_batch_events = 1000
        self.max_body_bytes = 8 << 20
        self.is_published = False
        self.is_single = False
        self.refuse: Callable[[Event], str] | None = None
        self.unreadable: Callable[[Event], bool] | None = None
        self._script: deque[Reply] = deque()
        self._requests: deque[Request] = deque(maxlen=_REQUESTS_KEPT)

    def script(self, *replies: Reply) -> None:
        """Answer the next batches with these, one each; `always` comes after them."""
        self._script.extend(replies)

    @property
    def is_script_done(self) -> bool:
        """Whether every scripted answer was given."""
        return not self._script

    @property
    def events(self) -> list[Event]:
        """The stored events, one copy of each, in the order of their arrival."""
        return [item.event() for item in self.store.items()]

    @property
    def event_ids(self) -> list[str]:
        """Their ids; cheap, also with many events."""
        return [item.event_id for item in self.store.items()]

    @property
    def duplicates(self) -> int:
        """How many events came again after they had been stored."""
        return self.store.duplicates

    @property
    def requests(self) -> list[Request]:
        """The last 10,000 requests, capabilities among them, oldest first."""
        return list(self._requests)

    def wait_for(self, count: int, timeout_s: float = 10.0) -> bool:
        """
        Wait until events are stored.

        Args:
            count: How many, in all.
            timeout_s: Longest wait, in seconds.

        Returns:
            Whether they are.
        """
        return self.store.wait_for(count, timeout_s)

    def note(self, request: Request) -> None:
        """Keep a request, to be looked at."""
        self._requests.append(request)

    def next_reply(self) -> Reply:
        """Return the answer for the batch that comes now."""
        try:
            return self._script.popleft()
        except IndexError:
            return self.always or _VERDICT

    def is_authorized(self, authorization: str | None) -> bool:
        """Return whether a key is one of `keys`; without any, all are."""
        scheme, _, key = (authorization or "").partition(" ")
        return not self.keys or (scheme.lower() == "bearer" and key in self.keys)

    def capabilities(self) -> Outcome:
        """Answer `GET /v1/capabilities`."""
        if self.is_published:
            return Outcome(200, orjson.dumps(dict.fromkeys(FLAGS, False)))
        offer = offer_of(
            self.ingest,
            self.encodings,
            max_batch_events=self.max_batch_events,
            max_body_bytes=self.max_body_bytes,
            max_event_bytes=1 << 20,
        )
        return Outcome(200, orjson.dumps(offer))

    def is_ingest(self, path: str) -> bool:
        """Return whether a path takes events."""
        is_batch = INGEST_PATHS.get(path)
        return is_batch is not None and not (is_batch and self.is_single)

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        """
        Store the events of an HTTP request.

        Args:
            path: Without its query.
            headers: By lower-case name.
            body: As it arrived.
        """
        coding = headers.get("content-encoding", "identity")
        if coding != "identity" and coding not in self.encodings:
            # The published backend is not known to look at this header.
            return Outcome(400 if self.is_published else 415)
        try:
            plain = gzip.decompress(body) if coding == "gzip" else body
            if len(plain) > self.max_body_bytes:
                return Outcome(413)
            items = self._items(path, headers.get("content-type", ""), plain)
        except (ValueError, OSError, EOFError, zlib.error):
            return Outcome(400)
        return Outcome(415) if items is None else self._decided(items)

    def _decided(self, items: list[Item]) -> Outcome:
        if len(items) > self.max_batch_events:
            return Outcome(413)
        verdict = self.put(items)
        if verdict is None:
            return Outcome(400)
        if self.is_published:
            return Outcome(202, kind="")
        return Outcome(202, verdict.as_json(uuid.uuid4().hex))

    def put(self, items: list[Item]) -> Verdict | None:
        """Store a batch; None if one of its events makes all of it unreadable."""
        unreadable = self.unreadable
        if unreadable is not None and any(unreadable(item.event()) for item in items):
            return None
        return self.store.put(items, self.refuse)

    def _items(self, path: str, kind: str, body: bytes) -> list[Item] | None:
        kind = kind.partition(";")[0].strip().lower()
        if kind == "application/x-protobuf" and "protobuf" in self.ingest:
            return items_of_protobuf(body, is_batch=INGEST_PATHS[path])
        if kind == "application/x-ndjson" and "ndjson" in self.ingest:
            return items_of_json(body, is_lines=True)
        if kind == "application/json" and not self.is_published:
            return items_of_json(body, is_lines=False)
        return None


_VERDICT = Reply(fault=Fault.NONE)
