"""
The canonical JSON form of an event, without a protobuf message in between.

A hash must be the same for all spellings of an event, and must cover what no
message can carry: such things stay as they stand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .scalars import number, time_parts, time_text
from .schema import Field, Kind, Shape
from .write import renamed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ("normal_object", "normal_tree")

_DEPTH = 200
"""Objects and lists inside each other; the JSON encoder itself stops at 254."""


def normal_object(source: Mapping[str, Any], shape: Shape) -> dict[str, Any]:
    """
    Return `source` as a message of that shape would give it back.

    Raises:
        ValueError: It is nested too deep.
        OverflowError: An integer is larger than any double.
    """
    result = {}
    for key, value in renamed(source, shape.aliases).items():
        field = shape.fields.get(key)
        if field is None:
            result[key] = normal_tree(value)
            continue
        plain = _normal_field(field, value)
        # An empty object is kept: it says that the message is there.
        if plain is not None and (plain or type(plain) is dict):
            result[key] = plain
    for alias, name in shape.aliases.items():
        # Beside our own name it is one name too many: some reader shows it.
        if alias in source and name in source:
            result[alias] = normal_tree(source[alias])
    return result


def normal_tree(value: Any, room: int = _DEPTH) -> Any:
    """
    Return a copy of a JSON tree in which equal numbers are spelt alike.

    Raises:
        ValueError: It is nested too deep.
        OverflowError: An integer is larger than any double.
    """
    kind = type(value)
    if kind is int or kind is float:
        return number(value)
    if kind is not dict and kind is not list:
        return value
    if not room:
        message = f"chaukas: an event is nested deeper than {_DEPTH}: cannot hash it."
        raise ValueError(message)
    if kind is list:
        return [normal_tree(item, room - 1) for item in value]
    return {key: normal_tree(item, room - 1) for key, item in value.items()}


def _normal_field(field: Field, value: Any) -> Any:
    if field.repeated or field.kind is Kind.TREE:
        return normal_tree(value)
    if field.kind is Kind.MESSAGE and type(value) is dict and field.shape is not None:
        return normal_object(value, field.shape)
    convert = _CONVERSIONS.get(field.kind)
    return normal_tree(value) if convert is None else convert(field, value)


def _name(field: Field, value: Any) -> Any:
    if type(value) is int:
        value = next((k for k, v in field.names.items() if v == value), value)
    return None if type(value) is str and field.names.get(value) == 0 else value


def _time(_field: Field, value: Any) -> Any:
    if type(value) is not str:
        return normal_tree(value)
    try:
        return time_text(*time_parts(value))
    except ValueError:
        return value


_CONVERSIONS: Mapping[Kind, Callable[[Field, Any], Any]] = {
    Kind.NAME: _name,
    Kind.TIME: _time,
}
