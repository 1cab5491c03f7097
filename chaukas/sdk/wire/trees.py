"""
JSON trees as protobuf `Struct`, both ways.

Most of the cost of a protobuf event is here; `Struct.update` and
`MessageToDict` take up to twice as long and would give 1.0 for 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .scalars import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf import struct_pb2

__all__ = ("DEPTH", "fill", "tree_of")

DEPTH = 24
"""
Objects and lists inside each other at most, the outermost counted.

No protobuf parser reads more than 100 messages inside each other, and each
object takes three: one deeper event would make its whole batch unreadable.
"""


def fill(struct: struct_pb2.Struct, tree: Mapping[str, Any]) -> None:
    """
    Put `tree` into the empty `struct`.

    Raises:
        ValueError: It is deeper than `DEPTH`, or holds what JSON cannot.
    """
    struct.SetInParent()
    _fill_fields(struct.fields, tree, DEPTH)


def tree_of(struct: struct_pb2.Struct) -> dict[str, Any]:
    """Return the content of `struct`, integral numbers within ±2^53 as int."""
    return {key: _value_of(value) for key, value in struct.fields.items()}


def _fill_fields(fields: Any, tree: Mapping[str, Any], room: int) -> None:
    if room < 1:
        message = f"objects and lists nested deeper than {DEPTH}"
        raise ValueError(message)
    for key, value in tree.items():
        if type(key) is not str:
            message = f"a key that is not text but {type(key).__name__}"
            raise ValueError(message)
        _fill_value(fields[key], value, room)


def _fill_value(target: Any, value: Any, room: int) -> None:
    kind = type(value)
    if kind is str:
        target.string_value = value
    elif kind is bool:
        target.bool_value = value
    elif kind is int or kind is float:
        target.number_value = value
    elif value is None:
        target.null_value = 0
    elif kind is dict:
        target.struct_value.SetInParent()
        _fill_fields(target.struct_value.fields, value, room - 1)
    elif kind is list:
        target.list_value.SetInParent()
        _fill_list(target.list_value.values, value, room - 1)
    else:
        message = f"no JSON value: {kind.__name__}"
        raise ValueError(message)


def _fill_list(values: Any, items: list[Any], room: int) -> None:
    if room < 1:
        message = f"objects and lists nested deeper than {DEPTH}"
        raise ValueError(message)
    for item in items:
        _fill_value(values.add(), item, room)


def _value_of(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return value.string_value
    if kind == "number_value":
        return number(value.number_value)
    if kind == "bool_value":
        return value.bool_value
    if kind == "struct_value":
        return tree_of(value.struct_value)
    if kind == "list_value":
        return [_value_of(item) for item in value.list_value.values]
    return None
