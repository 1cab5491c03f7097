"""
The events that the fake collector has stored, one copy of each.

Bytes are kept as they came and decoded when somebody looks, so that the collector
does not become what a measurement measures.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from chaukas.sdk.typing import Event

__all__ = ["EventStore", "Item", "Verdict", "items_of_json", "items_of_protobuf"]


@dataclass(frozen=True, slots=True)
class Item:
    """One event as it arrived."""

    tenant_id: str
    event_id: str
    raw: bytes
    is_json: bool

    def event(self) -> Event:
        """Return its JSON form."""
        if self.is_json:
            event: Event = orjson.loads(self.raw)
            return event
        # Loading protobuf takes longer than loading all of the SDK.
        from chaukas.sdk.wire import from_message
        from chaukas.sdk.wire.proto import events_pb2

        return from_message(events_pb2.Event.FromString(self.raw))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a batch."""

    accepted: int
    duplicate: int
    rejected: tuple[tuple[str, str], ...]
    """Event id and reason."""

    def as_json(self, batch_id: str) -> bytes:
        """Return the body of an HTTP answer."""
        rejected = [{"event_id": one, "reason": why} for one, why in self.rejected]
        return orjson.dumps(
            {
                "batch_id": batch_id,
                "accepted": self.accepted,
                "duplicate": self.duplicate,
                "rejected": rejected,
            }
        )


class EventStore:
    """Events by tenant and id, in the order of their arrival; used by many threads."""

    def __init__(self) -> None:
        self._items: dict[tuple[str, str], Item] = {}
        self._changed = threading.Condition()
        self.duplicates = 0
        """How many events came again after they had been stored."""

    def put(
        self, items: Iterable[Item], refuse: Callable[[Event], str] | None
    ) -> Verdict:
        """
        Store what is new, and say of each event what became of it.

        Args:
            items: The batch.
            refuse: Returns the reason why an event is not stored, or an empty text.
        """
        accepted = duplicate = 0
        rejected: list[tuple[str, str]] = []
        with self._changed:
            for item in items:
                reason = _fault_of(item, refuse)
                known = self._items.get((item.tenant_id, item.event_id))
                if not reason and known is not None and not _is_same(item, known):
                    reason = "conflict"
                if reason:
                    rejected.append((item.event_id, reason))
                elif known is not None:
                    duplicate += 1
                else:
                    self._items[item.tenant_id, item.event_id] = item
                    accepted += 1
            self.duplicates += duplicate
            self._changed.notify_all()
        return Verdict(accepted, duplicate, tuple(rejected))

    def items(self) -> list[Item]:
        """Return what is stored."""
        with self._changed:
            return list(self._items.values())

    def wait_for(self, count: int, timeout_s: float) -> bool:
        """Wait until that many events are stored; say whether they are."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._items) >= count, timeout_s)


def items_of_json(body: bytes, *, is_lines: bool) -> list[Item]:
    """
    Read JSON lines, one event, or an object `{"events": [...]}`.

    Raises:
        ValueError: It is none of these.
    """
    if is_lines:
        lines = (line for line in body.split(b"\n") if line)
        return [_item_of(line, orjson.loads(line)) for line in lines]
    data = orjson.loads(body)
    events = data.get("events") if isinstance(data, dict) else None
    if not isinstance(events, list):
        events = [data]
    return [_item_of(orjson.dumps(event), event) for event in events]


def items_of_protobuf(body: bytes, *, is_batch: bool) -> list[Item]:
    """
    Read an IngestEventBatchRequest, or an IngestEventRequest.

    Raises:
        ValueError: It is not one.
    """
    # As above.
    from google.protobuf.message import DecodeError

    from chaukas.sdk.wire.proto import ingest_pb2

    try:
        if is_batch:
            request = ingest_pb2.IngestEventBatchRequest.FromString(body)
            messages = list(request.event_batch.events)
        else:
            messages = [ingest_pb2.IngestEventRequest.FromString(body).event]
    except DecodeError:
        message = "no protobuf"
        raise ValueError(message) from None
    return [
        Item(message.tenant_id, message.event_id, message.SerializeToString(), False)
        for message in messages
    ]


def _item_of(raw: bytes, event: Any) -> Item:
    if not isinstance(event, dict):
        message = "no event"
        # The caller knows one kind of error only.
        raise ValueError(message)  # noqa: TRY004
    event_id, tenant_id = event.get("event_id", ""), event.get("tenant_id", "")
    return Item(str(tenant_id), str(event_id), raw, is_json=True)


def _fault_of(item: Item, refuse: Callable[[Event], str] | None) -> str:
    if not item.event_id:
        return "invalid"
    return "" if refuse is None else refuse(item.event())


def _is_same(one: Item, other: Item) -> bool:
    """Compare two copies of an event; the forms may differ."""
    if one.raw == other.raw:
        return True
    # As above.
    from chaukas.sdk.wire import normal

    return normal(one.event()) == normal(other.event())
