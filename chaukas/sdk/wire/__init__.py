"""
Events as protobuf messages and as JSON objects, both ways.

An event is made as a JSON object, since a file wants that; only the edge that
speaks protobuf comes here, and protobuf is not loaded before it does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .canonical import normal_object
from .read import read_event
from .schema import event_shape
from .write import write_event, write_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .proto import events_pb2

__all__ = (
    "batch_to_message",
    "from_message",
    "normal",
    "to_message",
)


def to_message(event: Mapping[str, Any]) -> events_pb2.Event:
    """
    Return the protobuf form of an event.

    Also read: integers for enum values, the published names `id` and `name` in
    `tool_call`, times without zone (UTC), `null` for a field not given. A key
    that the .proto files do not know is left out.

    Args:
        event: The JSON form of docs/EVENTS.md, of exact builtin types.

    Raises:
        ValueError: A value does not fit its field, more than one content is
            given, or a tree is too deep to be read back. The text names the
            field and never shows the value.
    """
    # Loading protobuf takes longer than loading all of the SDK.
    from .proto import events_pb2

    message = events_pb2.Event()
    write_event(message, event)
    return message


def from_message(message: events_pb2.Event) -> dict[str, Any]:
    """
    Return the JSON form of an event, defaults omitted.

    Fields are found by number, so an event of the published spec's own class
    is read as well. Integral numbers within ±2^53 come back as int, times with
    six digits of the second. Fields that the .proto files do not know have no
    JSON name and are left out: whoever must keep them keeps the message.

    Raises:
        ValueError: A time lies outside the years 1 to 9999.
    """
    return read_event(message)


def batch_to_message(
    events: Iterable[Mapping[str, Any]], *, batch_id: str, timestamp: str
) -> events_pb2.EventBatch:
    """
    Return a batch of events as one message.

    Args:
        events: JSON forms, in the order in which they shall travel.
        batch_id: Names the batch in the answer.
        timestamp: When the batch was put together, RFC 3339.

    Raises:
        ValueError: One of the events, or the time, cannot be a message.
    """
    # Loading protobuf takes longer than loading all of the SDK.
    from .proto import events_pb2

    batch = events_pb2.EventBatch(batch_id=batch_id)
    write_time(batch.timestamp, timestamp)
    for event in events:
        write_event(batch.events.add(), event)
    return batch


def normal(event: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the one JSON form of an event: what its message would give back.

    Defaults go, enum values get their names, times and numbers their one
    spelling. What `to_message` leaves out or refuses stays as it stands, so
    that nothing in an event escapes its hash.

    Raises:
        ValueError: It is nested too deep, or an integer is beyond any double.
    """
    try:
        return normal_object(event, event_shape())
    except OverflowError:
        message = (
            "chaukas: an event holds an integer beyond any double: cannot hash it."
        )
        raise ValueError(message) from None
