"""
Converts the protobuf message of an event to JSON.

Fields are found by number and not by name, since the published spec names some
of the same fields differently.
"""

from __future__ import annotations

import base64
import functools
from typing import TYPE_CHECKING, Any

from .scalars import number, time_text
from .schema import Field, Kind, Shape, event_shape
from .trees import tree_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .proto import events_pb2

    Readers = Mapping[int, tuple[str, Callable[[Any], Any]]]

__all__ = ("read_event",)


def read_event(message: events_pb2.Event) -> dict[str, Any]:
    """
    Return the JSON form of `message`.

    Raises:
        ValueError: A time lies outside the years 1 to 9999.
    """
    return _read(message, _event_readers())


@functools.cache
def _event_readers() -> Readers:
    return _readers_of(event_shape())


def _readers_of(shape: Shape) -> Readers:
    return {
        field.number: (field.name, _reader_of(field)) for field in shape.fields.values()
    }


def _reader_of(field: Field) -> Callable[[Any], Any]:
    read = _READS[field.kind](field)
    if not field.repeated:
        return read
    return lambda values: [read(value) for value in values]


def _read(message: Any, readers: Readers) -> dict[str, Any]:
    tree = {}
    for descriptor, value in message.ListFields():
        known = readers.get(descriptor.number)
        if known is not None:
            name, read = known
            tree[name] = read(value)
    return tree


def _same(value: Any) -> Any:
    return value


def _name(field: Field) -> Callable[[int], str | int]:
    names = {value: name for name, value in field.names.items()}

    def read(value: int) -> str | int:
        # A value of a later version of the spec stays a number.
        return names.get(value, value)

    return read


def _time(value: Any) -> str:
    return time_text(value.seconds, value.nanos)


def _any(value: Any) -> dict[str, str]:
    data = base64.b64encode(value.value).decode("ascii")
    return {"@type": value.type_url, "value": data}


def _message(field: Field) -> Callable[[Any], dict[str, Any]]:
    readers = _readers_of(field.shape or Shape({}, {}))
    return lambda value: _read(value, readers)


_READS: Mapping[Kind, Callable[[Field], Callable[[Any], Any]]] = {
    Kind.TEXT: lambda _field: _same,
    Kind.FLAG: lambda _field: _same,
    Kind.INTEGER: lambda _field: _same,
    Kind.NUMBER: lambda _field: number,
    Kind.NAME: _name,
    Kind.TIME: lambda _field: _time,
    Kind.TREE: lambda _field: tree_of,
    Kind.ANY: lambda _field: _any,
    Kind.MESSAGE: _message,
}
