"""
Reads the events of a request: protobuf, JSON lines, JSON, the published JSON.

A body that is not what it says to be is refused as a whole; an event that cannot be
kept is refused alone, with a reason.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import orjson

from chaukas.collector.refusal import Refusal
from chaukas.sdk.ingest.bodies import messages_of
from chaukas.sdk.ingest.published import from_published
from chaukas.sdk.wire import from_message

from .counted import is_countable, values_in_json, values_in_message
from .schema import ENVELOPE, schema_of

if TYPE_CHECKING:
    from chaukas.collector.limits import Limits
    from chaukas.sdk.wire.proto import events_pb2

__all__ = (
    "JSON",
    "LINES",
    "PROTOBUF",
    "TOO_MUCH",
    "UNREAD",
    "Decoded",
    "check_once",
    "compact",
    "decoded",
    "event_of",
    "fault_of",
    "is_flat",
    "type_of",
)

PROTOBUF: Final = "application/x-protobuf"
LINES: Final = "application/x-ndjson"
JSON: Final = "application/json"
_BOM: Final = b"\xef\xbb\xbf"
TOO_MUCH: Final = "The request holds too many values: send less at a time."
_OF_ENVELOPE: Final = 100
"""Fields of a batch beside its events, at most."""
UNREAD: Final = "x_protobuf"
"""Key under which a message stands that has fields which this version cannot read."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """The events of one request."""

    lines: list[bytes] = field(default_factory=list)
    """As JSON, one each."""
    events: list[dict[str, Any] | None] = field(default_factory=list)
    """The same as the lines were read; None for those that were written here."""
    rejected: list[tuple[str, str]] = field(default_factory=list)
    """Event id and reason of those that cannot be kept."""

    def __len__(self) -> int:
        return len(self.lines) + len(self.rejected)


def type_of(header: str) -> str:
    """Return the type of a body, without its parameters."""
    return header.partition(";")[0].strip().lower()


def decoded(body: bytes, kind: str, limits: Limits, *, is_batch: bool) -> Decoded:
    """
    Return the events of a body.

    Args:
        body: Decompressed.
        kind: Its content type.
        limits: What holds.
        is_batch: Whether the call for batches was made; only protobuf tells apart.

    Raises:
        Refusal: 400 if it is not of that type, 413 if it holds too many events, 415
            if the type is not known.
    """
    _check_values(body, kind, limits, is_batch=is_batch)
    try:
        if kind == PROTOBUF:
            return _messages(messages_of(body, is_batch=is_batch), limits)
        if kind == LINES:
            return _lines(body, limits)
        if kind == JSON:
            return _json(body, limits)
    except (ValueError, RecursionError):
        raise Refusal(400, f"The body is no {kind} that holds events.") from None
    raise Refusal(415, f"Content-Type must be {PROTOBUF}, {LINES} or {JSON}.")


def _check_values(body: bytes, kind: str, limits: Limits, *, is_batch: bool) -> None:
    """Refuse what would take far more memory once it is read than it has bytes."""
    has_too_much = False
    if kind == PROTOBUF:
        # The number of events first: it costs little, and they are the heaviest.
        most = limits.batch_events + _OF_ENVELOPE
        has_too_much = is_batch and values_in_message(body, most, ENVELOPE) > most
        if is_countable(body) and not has_too_much:
            schema, light = schema_of(is_batch=is_batch)
            number = values_in_message(body, limits.values, schema, light)
            has_too_much = number > limits.values
    elif is_countable(body):
        number = values_in_json(body) + (body.count(b"\n") if kind == LINES else 0)
        has_too_much = number > limits.values
    if has_too_much:
        raise Refusal(413, TOO_MUCH)


def _check_count(number: int, limits: Limits) -> None:
    if number > limits.batch_events:
        text = f"A batch holds {limits.batch_events} events at most."
        raise Refusal(413, text)


def _messages(messages: list[events_pb2.Event], limits: Limits) -> Decoded:
    _check_count(len(messages), limits)
    found = Decoded()
    for message in messages:
        if message.ByteSize() > limits.event_bytes:
            found.rejected.append((message.event_id, "too_large"))
            continue
        try:
            event = event_of(message)
        except ValueError:
            found.rejected.append((message.event_id, "invalid"))
            continue
        # In the order in which chaukas writes, so that its hash is found at once.
        line = orjson.dumps(event, option=orjson.OPT_SORT_KEYS)
        _keep(found, line, event, limits, is_read=False)
    return found


def event_of(message: events_pb2.Event) -> dict[str, Any]:
    """
    Return a message as an event, with the message in it if it has unknown fields.

    The message loses them.

    Raises:
        ValueError: It has no such form.
    """
    event = from_message(message)
    raw = message.SerializeToString()
    message.DiscardUnknownFields()
    if message.ByteSize() != len(raw):
        event[UNREAD] = base64.b64encode(raw).decode("ascii")
    return event


def _lines(body: bytes, limits: Limits) -> Decoded:
    lines = [line for line in body.removeprefix(_BOM).split(b"\n") if line.strip()]
    _check_count(len(lines), limits)
    found = Decoded()
    for line in lines:
        event = orjson.loads(line)
        check_once(line, event)
        plain = from_published(event) if type(event) is dict else event
        if plain is event:
            _keep(found, line, event, limits, is_read=True)
        else:
            _keep(found, orjson.dumps(plain), plain, limits, is_read=False)
    return found


def _json(body: bytes, limits: Limits) -> Decoded:
    data = orjson.loads(body)
    check_once(body, data)
    events = data.get("events") if type(data) is dict else None
    if events is None:
        events = [data]
    if type(events) is not list:
        raise ValueError
    _check_count(len(events), limits)
    found = Decoded()
    for event in events:
        plain = from_published(event) if type(event) is dict else event
        _keep(found, orjson.dumps(plain), plain, limits, is_read=False)
    return found


def check_once(text: bytes, value: object) -> None:
    """Raise ValueError if a key is given twice: readers would disagree on it."""
    if orjson.dumps(value) == text:
        return
    json.loads(text, object_pairs_hook=_once, parse_int=str, parse_float=str)


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) != len(pairs):
        raise ValueError


def _keep(
    found: Decoded, line: bytes, event: Any, limits: Limits, *, is_read: bool
) -> None:
    if type(event) is not dict:
        raise ValueError
    event_id = event.get("event_id")
    reason = fault_of(line, event, limits)
    if reason:
        known = event_id if type(event_id) is str else ""
        found.rejected.append((known, reason))
    else:
        found.lines.append(line if is_read else compact(line))
        # What is stored is what the line says: one that was written here is read again.
        found.events.append(event if is_read else None)


def compact(line: bytes) -> bytes:
    """Return what an encoder wrote in memory of its own size, as it may wait long."""
    # The encoder's takes up to eight times as much, and keeps it.
    return bytes(memoryview(line))


def fault_of(line: bytes, event: dict[str, Any], limits: Limits) -> str:
    """Return why an event cannot be kept; empty if it can."""
    if len(line) > limits.event_bytes:
        return "too_large"
    event_id = event.get("event_id")
    ids = [event.get(name, "") for name in _IDS]
    if type(event_id) is not str or not event_id or not _is_type(event.get("type")):
        return "invalid"
    if any(type(one) is not str or len(one) > limits.id_chars for one in ids):
        return "invalid"
    # Stores keep another character in its place: the answer would name another id.
    if "\0" in event_id:
        return "invalid"
    # Cheap for almost all events: they have fewer brackets than that in all.
    brackets = line.count(b"{") + line.count(b"[")
    if brackets > limits.depth and not is_flat(event, limits.depth):
        return "invalid"
    return ""


_IDS: Final = (
    "event_id tenant_id project_id session_id trace_id span_id parent_span_id"
).split()


def _is_type(value: object) -> bool:
    if type(value) is str:
        # A type of a later version of the spec is kept too.
        return value.startswith("EVENT_TYPE_") and value != "EVENT_TYPE_UNSPECIFIED"
    return type(value) is int and value > 0


def is_flat(value: object, depth: int) -> bool:
    """Return whether a tree is no deeper than that, without recursion."""
    level = [value]
    for _ in range(depth):
        below: list[object] = []
        for one in level:
            if type(one) is dict:
                below.extend(one.values())
            elif type(one) is list:
                below.extend(one)
        if not below:
            return True
        level = below
    return not any(type(one) in (dict, list) for one in level)
