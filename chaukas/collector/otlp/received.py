"""
The spans of an OTLP request as plain data, whatever they came in.

A request that is not what it says to be is refused as a whole; a span without usable
ids or times is marked, and refused alone.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from chaukas.collector.bodies.decode import JSON, PROTOBUF, check_once
from chaukas.collector.refusal import Refusal
from chaukas.sdk.sinks.otlp.encode import MissingPackageError, load

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ("Occurrence", "Received", "spans_in")

_DEPTH: Final = 24
_DEEP: Final = "<depth>"
_TRACE_CHARS: Final = 32
_SPAN_CHARS: Final = 16
_HEX: Final = frozenset("0123456789abcdef")
_NAME_CHARS: Final = 256
_MOST_NS: Final = 1 << 63
_STATUSES: Final = {"STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}
_INSTALL: Final = (
    "This collector reads spans as protobuf once opentelemetry-proto is installed: pip"
    " install 'chaukas-sdk[collector]'. Until then send application/json."
)


class Occurrence(NamedTuple):
    """An event of a span."""

    name: str
    time_ns: int
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Received:
    """One span; ids in lower-case hex, times in nanoseconds since 1970."""

    trace_id: str
    span_id: str
    parent_span_id: str
    name: str
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[Occurrence, ...] = ()
    is_failed: bool = False
    status_message: str = ""
    resource: Mapping[str, Any] = field(default_factory=dict)
    scope: str = ""
    """Name of the instrumentation."""

    @property
    def is_valid(self) -> bool:
        """Whether it has ids and times by which it can be kept."""
        is_timed = 0 < self.end_ns < _MOST_NS and self.start_ns < _MOST_NS
        return bool(self.trace_id and self.span_id) and is_timed


def spans_in(body: bytes, kind: str, most: int) -> list[Received]:
    """
    Return the spans of an ExportTraceServiceRequest.

    Args:
        body: Decompressed.
        kind: Its content type: protobuf or JSON.
        most: How many spans it may hold.

    Raises:
        Refusal: 400 if it is none, 413 if it holds more spans, 415 if its type
            cannot be read here.
    """
    if kind == PROTOBUF:
        return list(_of_message(body, most))
    if kind != JSON:
        raise Refusal(415, f"Content-Type of spans must be {PROTOBUF} or {JSON}.")
    try:
        data = orjson.loads(body)
        check_once(body, data)
        return list(_of_json(_object(data), most))
    except (ValueError, RecursionError):
        raise Refusal(400, f"The body is no {JSON} that holds spans.") from None


# --- protobuf ---


def _of_message(body: bytes, most: int) -> Iterator[Received]:
    # Only loaded where a request comes.
    from google.protobuf.message import DecodeError

    try:
        request = load().ExportTraceServiceRequest.FromString(body)
    except MissingPackageError:
        raise Refusal(415, _INSTALL) from None
    except DecodeError:
        raise Refusal(400, f"The body is no {PROTOBUF} that holds spans.") from None
    # Before any span is made of it, which takes more memory than its message.
    places = request.resource_spans
    _check_number((len(s.spans) for p in places for s in p.scope_spans), most)
    for whole in places:
        resource = _attributes(whole.resource.attributes)
        for scope in whole.scope_spans:
            for span in scope.spans:
                yield Received(
                    _id(span.trace_id.hex(), _TRACE_CHARS),
                    _id(span.span_id.hex(), _SPAN_CHARS),
                    _id(span.parent_span_id.hex(), _SPAN_CHARS),
                    span.name[:_NAME_CHARS],
                    *_times(span.start_time_unix_nano, span.end_time_unix_nano),
                    _attributes(span.attributes),
                    tuple(
                        Occurrence(e.name, e.time_unix_nano, _attributes(e.attributes))
                        for e in span.events
                    ),
                    span.status.code == _STATUSES["STATUS_CODE_ERROR"],
                    span.status.message,
                    resource,
                    scope.scope.name[:_NAME_CHARS],
                )


def _attributes(pairs: Iterable[Any]) -> dict[str, Any]:
    return {pair.key: _value(pair.value, 0) for pair in pairs}


def _value(value: Any, depth: int) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    content = getattr(value, kind)
    if kind == "array_value":
        if depth >= _DEPTH:
            return _DEEP
        return [_value(each, depth + 1) for each in content.values]
    if kind == "kvlist_value":
        if depth >= _DEPTH:
            return _DEEP
        return {each.key: _value(each.value, depth + 1) for each in content.values}
    return _size(content) if kind == "bytes_value" else content


# --- JSON ---


def _of_json(request: dict[str, Any], most: int) -> Iterator[Received]:
    places = _objects(request.get("resourceSpans"))
    numbers = (
        len(_objects(scope.get("spans")))
        for place in places
        for scope in _objects(place.get("scopeSpans"))
    )
    _check_number(numbers, most)
    for whole in places:
        resource = _json_attributes(_object(whole.get("resource")).get("attributes"))
        for scope in _objects(whole.get("scopeSpans")):
            name = _text(_object(scope.get("scope")).get("name"))
            for span in _objects(scope.get("spans")):
                status = _object(span.get("status"))
                code = status.get("code", 0)
                yield Received(
                    _id(_text(span.get("traceId")).lower(), _TRACE_CHARS),
                    _id(_text(span.get("spanId")).lower(), _SPAN_CHARS),
                    _id(_text(span.get("parentSpanId")).lower(), _SPAN_CHARS),
                    _text(span.get("name"))[:_NAME_CHARS],
                    *_times(
                        _whole(span.get("startTimeUnixNano")),
                        _whole(span.get("endTimeUnixNano")),
                    ),
                    _json_attributes(span.get("attributes")),
                    tuple(_json_event(each) for each in _objects(span.get("events"))),
                    _STATUSES.get(code, code) == 2 if _is_code(code) else False,
                    _text(status.get("message")),
                    resource,
                    name[:_NAME_CHARS],
                )


def _is_code(code: object) -> bool:
    return type(code) in (int, str)


def _json_event(event: dict[str, Any]) -> Occurrence:
    return Occurrence(
        _text(event.get("name")),
        _whole(event.get("timeUnixNano")),
        _json_attributes(event.get("attributes")),
    )


def _json_attributes(pairs: object) -> dict[str, Any]:
    return {
        _text(pair.get("key")): _json_value(_object(pair.get("value")), 0)
        for pair in _objects(pairs)
    }


# PLR0911: one answer for each kind of value.
def _json_value(value: dict[str, Any], depth: int) -> Any:  # noqa: PLR0911
    """Return the value of an attribute; None for one of no known kind."""
    for kind, content in value.items():
        if kind == "stringValue":
            return _text(content)
        if kind == "boolValue":
            return content is True
        if kind == "intValue":
            return _whole(content)
        if kind == "doubleValue":
            return _double(content)
        if kind == "bytesValue":
            return _bytes(content)
        if kind in ("arrayValue", "kvlistValue"):
            return _json_tree(_objects(_object(content).get("values")), kind, depth)
    return None


def _json_tree(values: list[dict[str, Any]], kind: str, depth: int) -> Any:
    if depth >= _DEPTH:
        return _DEEP
    if kind == "arrayValue":
        return [_json_value(each, depth + 1) for each in values]
    return {
        _text(each.get("key")): _json_value(_object(each.get("value")), depth + 1)
        for each in values
    }


def _object(value: object) -> dict[str, Any]:
    if value is None:
        return {}
    if type(value) is not dict:
        raise ValueError
    return value


def _objects(value: object) -> list[dict[str, Any]]:
    if value is None:
        return []
    if type(value) is not list or any(type(each) is not dict for each in value):
        raise ValueError
    return value


def _text(value: object) -> str:
    if value is None:
        return ""
    if type(value) is not str:
        raise ValueError
    return value


def _whole(value: object) -> int:
    """Return a whole number, which this JSON writes as a text."""
    if value is None:
        return 0
    # Of 64 bits: whatever is longer is none, and slow to read.
    if type(value) is str and len(value) <= 20:
        return int(value)
    if type(value) is not int:
        raise ValueError
    return value


def _double(value: object) -> float:
    if type(value) is str and value in ("NaN", "Infinity", "-Infinity"):
        return float(value)
    if type(value) is not float and type(value) is not int:
        raise ValueError
    return float(value)


def _bytes(value: object) -> str:
    try:
        return _size(base64.b64decode(_text(value)))
    except binascii.Error:
        raise ValueError from None


# --- both ---


def _check_number(numbers: Iterable[int], most: int) -> None:
    if sum(numbers) > most:
        raise Refusal(413, f"A request holds {most} spans at most.")


def _size(content: bytes) -> str:
    """Return what stands for binary content."""
    return f"<bytes {len(content)}>"


def _id(text: str, chars: int) -> str:
    """Return an id, empty if it has another length or is all zeros."""
    is_id = len(text) == chars and _HEX.issuperset(text) and bool(text.strip("0"))
    return text if is_id else ""


def _times(start_ns: int, end_ns: int) -> tuple[int, int]:
    """Return start and end; a clock that was set back leaves no time between them."""
    start_ns = start_ns if start_ns > 0 else end_ns
    return start_ns, max(start_ns, end_ns)
