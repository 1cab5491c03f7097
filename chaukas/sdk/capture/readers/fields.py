"""
Read the declared fields of dataclasses, pydantic models and named tuples.

Only what an instance holds itself is read, since a property or a computed field
would run the host's code in the middle of the host's call.
"""

import dataclasses
import types
from itertools import islice
from typing import Any

from chaukas.sdk.system.introspect import dict_of, own_accessor

from .raw import Items, Pairs, Reader, held_by

__all__ = (
    "dataclass_fields",
    "dataclass_reader",
    "model_reader",
    "tuple_items",
    "tuple_reader",
)


@dataclasses.dataclass
class _Sample:
    field: int = 0


def _kind_of(field: object) -> object:
    """Return what sort of field a dataclass has: plain, ClassVar or InitVar."""
    return _FIELD_KIND.__get__(field)


_FIELD_KIND: Any = dataclasses.Field.__dict__["_field_type"]
_PLAIN_FIELD = _kind_of(_Sample.__dataclass_fields__["field"])


def dataclass_fields(mro: tuple[type, ...]) -> tuple[str, ...]:
    """Return the names of the fields of a dataclass; empty for another class."""
    for base in mro:
        fields = dict_of(base).get("__dataclass_fields__")
        if type(fields) is dict:
            return tuple(
                name
                for name, field in fields.items()
                if type(name) is str
                and type(field) is dataclasses.Field
                and _kind_of(field) is _PLAIN_FIELD
            )
    return ()


def dataclass_reader(mro: tuple[type, ...], fields: tuple[str, ...]) -> Reader:
    """Return a reader of the declared fields, in slots or in the instance dict."""
    accessor = own_accessor(mro, "__dict__", types.GetSetDescriptorType)
    slots = [
        (name, slot)
        for name in fields
        if (slot := own_accessor(mro, name, types.MemberDescriptorType)) is not None
    ]
    declared = frozenset(fields)

    def read_fields(value: object, limit: int) -> Pairs:
        pairs = [pair for pair in held_by(value, accessor) if pair[0] in declared]
        for name, slot in slots:
            try:
                pairs.append((name, slot.__get__(value)))
            # Each slot may be empty, and the others still are to be read.
            except AttributeError:  # noqa: PERF203
                continue
        return Pairs(pairs[:limit], len(pairs))

    return read_fields


def model_reader(mro: tuple[type, ...], set_name: str) -> Reader:
    """
    Return a reader of a pydantic model's fields.

    Fields that were not given and are None are left out: models of API answers
    have many of them.

    Args:
        mro: The bases of the model's class.
        set_name: The slot that holds the names of the given fields.

    """
    accessor = own_accessor(mro, "__dict__", types.GetSetDescriptorType)
    slot = own_accessor(mro, set_name, types.MemberDescriptorType)
    extra = own_accessor(mro, "__pydantic_extra__", types.MemberDescriptorType)

    def read_fields(value: object, limit: int) -> Pairs:
        pairs = held_by(value, accessor)
        full = [pair for pair in pairs if pair[1] is not None]
        if len(full) < len(pairs):
            given = _given(value, slot)
            pairs = [pair for pair in pairs if pair[1] is not None or pair[0] in given]
        pairs += held_by(value, extra)
        return Pairs(pairs[:limit], len(pairs))

    return read_fields


def _given(value: object, slot: Any) -> frozenset[str]:
    """Return the names of the fields that a model was given."""
    try:
        names = slot.__get__(value)
    except AttributeError:
        return frozenset()
    if type(names) is not set:
        return frozenset()
    return frozenset(name for name in names if type(name) is str)


def tuple_reader(mro: tuple[type, ...]) -> Reader:
    """Return a reader of a tuple's subclass: pairs if its fields have names."""
    names: Any = None
    for base in mro:
        names = dict_of(base).get("_fields")
        if names is not None:
            break
    if type(names) is not tuple or any(type(name) is not str for name in names):
        return tuple_items

    def read_fields(value: tuple[object, ...], limit: int) -> Pairs | Items:
        total = tuple.__len__(value)
        if total != len(names):
            return tuple_items(value, limit)
        pairs = zip(names, tuple.__iter__(value), strict=True)
        return Pairs(list(islice(pairs, limit)), total)

    return read_fields


def tuple_items(value: tuple[object, ...], limit: int) -> Items:
    """Read a tuple's items."""
    return Items(list(islice(tuple.__iter__(value), limit)), tuple.__len__(value))
