"""
Converts the JSON form of an event to its protobuf message.

The fields' writers are put together once, so that an event costs a look-up and
a call per field; anything that does not fit is refused with the field's name.
"""

from __future__ import annotations

import base64
import functools
from typing import TYPE_CHECKING, Any, NamedTuple

from .scalars import time_parts
from .schema import Field, Kind, Shape, event_shape
from .trees import fill

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .proto import events_pb2

__all__ = ("renamed", "write_event", "write_time")


class _Writer(NamedTuple):
    """How a JSON value gets into a field of a message."""

    put: Callable[[Any, Any], None]
    field: Field


class _UnfitError(ValueError):
    """A value does not fit; the text says why and does not quote it."""


def write_event(message: events_pb2.Event, event: Mapping[str, Any]) -> None:
    """
    Fill the empty `message` from the JSON form of an event.

    Raises:
        ValueError: A value does not fit its field. The text names the field and
            never shows the value.
    """
    _write(message, event, _event_writers())


def write_time(target: Any, text: str) -> None:
    """
    Set a `Timestamp` from an RFC 3339 time.

    Raises:
        ValueError: It is not such a time.
    """
    # Setting, even to zero, marks the time as given.
    target.seconds, target.nanos = time_parts(text)


def renamed(source: Mapping[str, Any], aliases: Mapping[str, str]) -> Mapping[str, Any]:
    """Return `source` with other people's names for fields replaced by ours."""
    if not aliases or aliases.keys().isdisjoint(source):
        return source
    ours = {key: value for key, value in source.items() if key not in aliases}
    for alias, name in aliases.items():
        if alias in source:
            ours.setdefault(name, source[alias])
    return ours


@functools.cache
def _event_writers() -> Mapping[str, _Writer]:
    return _writers_of(event_shape())


def _writers_of(shape: Shape) -> dict[str, _Writer]:
    return {name: _writer_of(field) for name, field in shape.fields.items()}


def _writer_of(field: Field) -> _Writer:
    put = _PUTS[field.kind](field)
    return _Writer(_alone(put) if field.content else put, field)


def _write(
    message: Any, source: Mapping[str, Any], writers: Mapping[str, _Writer]
) -> None:
    for key, value in source.items():
        writer = writers.get(key)
        if writer is None or value is None:
            continue
        try:
            writer.put(message, value)
        except _UnfitError:
            raise
        except (TypeError, ValueError, OverflowError, LookupError) as error:
            raise _refusal(writer.field, error) from None


def _refusal(field: Field, error: Exception) -> _UnfitError:
    must = f"a list, each {field.kind.value}" if field.repeated else field.kind.value
    # Our own trees raise the bare class; the text of others may quote the value.
    if field.kind is Kind.TREE and type(error) is ValueError:
        must = f"{must}, but has {error}"
    return _UnfitError(
        f"chaukas: cannot send {field.path!r} as protobuf: it must be {must}. "
        "The event fits a file only; correct the value where it is recorded."
    )


def _exact(value: Any, kind: type) -> Any:
    """Return `value` if it is of just that type: True is not a number."""
    if type(value) is not kind:
        raise TypeError
    return value


def _alone(put: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    def put_content(message: Any, value: Any) -> None:
        given = message.WhichOneof("content")
        if given is not None:
            text = (
                f"chaukas: an event has {given!r} and a second content: protobuf "
                "would lose one of them. Record two events."
            )
            raise _UnfitError(text)
        put(message, value)

    return put_content


def _setter(
    convert: Callable[[Field, Any], Any],
) -> Callable[[Field], Callable[[Any, Any], None]]:
    """Return what makes the writer of a scalar, given its conversion."""

    def put_of(field: Field) -> Callable[[Any, Any], None]:
        name = field.name

        def put(message: Any, value: Any) -> None:
            setattr(message, name, convert(field, value))

        return put

    return put_of


def _integer(_field: Field, value: Any) -> Any:
    if type(value) is float and value.is_integer():
        return int(value)
    return _exact(value, int)


def _number(_field: Field, value: Any) -> float:
    if type(value) is str and value in {"NaN", "Infinity", "-Infinity"}:
        return float(value)
    if type(value) is not int and type(value) is not float:
        raise TypeError
    # Adding zero turns -0.0, which a reader would take for given, into 0.0.
    return float(value) + 0.0


def _name(field: Field, value: Any) -> int:
    return value if type(value) is int else field.names[_exact(value, str)]


def _text(field: Field) -> Callable[[Any, Any], None]:
    name = field.name

    def put(message: Any, value: Any) -> None:
        setattr(message, name, _exact(value, str))

    def put_all(message: Any, values: Any) -> None:
        texts = [_exact(value, str) for value in _exact(values, list)]
        getattr(message, name).extend(texts)

    return put_all if field.repeated else put


def _time(field: Field) -> Callable[[Any, Any], None]:
    name = field.name

    def put(message: Any, value: Any) -> None:
        write_time(getattr(message, name), _exact(value, str))

    return put


def _tree(field: Field) -> Callable[[Any, Any], None]:
    name = field.name

    def put(message: Any, value: Any) -> None:
        fill(getattr(message, name), _exact(value, dict))

    return put


def _any(field: Field) -> Callable[[Any, Any], None]:
    name = field.name

    def put(message: Any, values: Any) -> None:
        for value in _exact(values, list):
            item = getattr(message, name).add()
            item.type_url = _exact(_exact(value, dict)["@type"], str)
            item.value = base64.b64decode(_exact(value["value"], str), validate=True)

    return put


def _message(field: Field) -> Callable[[Any, Any], None]:
    name, shape = field.name, field.shape or Shape({}, {})
    writers = _writers_of(shape)

    def put(message: Any, value: Any) -> None:
        target = getattr(message, name)
        target.SetInParent()
        _write(target, renamed(_exact(value, dict), shape.aliases), writers)

    return put


_PUTS: Mapping[Kind, Callable[[Field], Callable[[Any, Any], None]]] = {
    Kind.TEXT: _text,
    Kind.FLAG: _setter(lambda _field, value: _exact(value, bool)),
    Kind.INTEGER: _setter(_integer),
    Kind.NUMBER: _setter(_number),
    Kind.NAME: _setter(_name),
    Kind.TIME: _time,
    Kind.TREE: _tree,
    Kind.ANY: _any,
    Kind.MESSAGE: _message,
}
