"""
Takes the events out of a request's body: JSON, JSON lines, protobuf.

Bytes are kept as they came and decoded when somebody looks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from chaukas.sdk.typing import Event
    from chaukas.sdk.wire.proto import events_pb2

__all__ = ("Item", "items_of_json", "items_of_protobuf", "messages_of")


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
    return [
        Item(message.tenant_id, message.event_id, message.SerializeToString(), False)
        for message in messages_of(body, is_batch=is_batch)
    ]


def messages_of(body: bytes, *, is_batch: bool) -> list[events_pb2.Event]:
    """
    Return the events of an IngestEventBatchRequest, or of an IngestEventRequest.

    Raises:
        ValueError: It is not one.
    """
    # As above.
    from google.protobuf.message import DecodeError

    from chaukas.sdk.wire.proto import ingest_pb2

    try:
        if is_batch:
            request = ingest_pb2.IngestEventBatchRequest.FromString(body)
            return list(request.event_batch.events)
        return [ingest_pb2.IngestEventRequest.FromString(body).event]
    except DecodeError:
        message = "no protobuf"
        raise ValueError(message) from None


def _item_of(raw: bytes, event: Any) -> Item:
    if not isinstance(event, dict):
        message = "no event"
        # The caller knows one kind of error only.
        raise ValueError(message)  # noqa: TRY004
    event_id, tenant_id = event.get("event_id", ""), event.get("tenant_id", "")
    return Item(str(tenant_id), str(event_id), raw, is_json=True)
