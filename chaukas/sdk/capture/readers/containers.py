"""
Say how each known type is read.

One table, chosen by `type(x)` along its bases, so that it can be seen at a glance
what chaukas looks into and what it leaves alone.
"""

import collections
import math
import weakref
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from chaukas.sdk.system.introspect import loaded, mro_of, name_of

from .fields import (
    dataclass_fields,
    dataclass_reader,
    model_reader,
    tuple_items,
    tuple_reader,
)
from .raw import Items, Mark, Pairs, Reader
from .values import (
    VALUE_READERS,
    decimal_reader,
    numpy_array_reader,
    numpy_scalar_reader,
    path_reader,
    uuid_reader,
)

__all__ = ("INT_BITS", "digits_of", "name_of_key", "read")

_CLASSES_LIMIT = 1024
_JSON_WORDS = {None: "null", True: "true", False: "false"}

INT_BITS = 4096
"""Larger whole numbers are shown by their size."""


def read(value: object, limit: int) -> object:
    """
    Read an object without running any code of its own.

    Args:
        value: Any object.
        limit: How many items to take from a container, at most.

    Returns:
        `Pairs`, `Items`, a `Blob`, an exact str, int, float, bool or None, a
        `NumberText`; or a `Mark` for what is not known or cannot be read.

    """
    cls = type(value)
    known = _chosen.get(id(cls))
    if known is not None and known[0]() is cls:
        reader = known[1]
    else:
        reader = _reader_of(cls)
        if len(_chosen) >= _CLASSES_LIMIT:
            _chosen.clear()
        # By id: looking up a class by itself would run its metaclass's __hash__.
        _chosen[id(cls)] = (weakref.ref(cls), reader)
    try:
        return reader(value, limit)
    # Whatever is odd inside a known object costs its value, never the event.
    except Exception:
        return Mark("<unreadable>")


_chosen: dict[int, tuple["weakref.ref[type]", Reader]] = {}


def _reader_of(cls: type) -> Reader:
    """Choose how instances of a class are read: by the nearest known base."""
    mro = mro_of(cls)
    for base in mro:
        if base is tuple:
            return tuple_reader(mro)
        reader = _readers.get(id(base)) or _foreign_reader(base, mro)
        if reader is not None:
            return reader
    fields = dataclass_fields(mro)
    if fields:
        return dataclass_reader(mro, fields)
    mark = Mark(f"<{name_of(cls)}>")
    return lambda _value, _limit: mark


def _foreign_reader(base: type, mro: tuple[type, ...]) -> Reader | None:
    """Choose a reader by a class of a module that chaukas does not import."""
    for module, name, build in _FOREIGN:
        if loaded(module, name) is base:
            return build(base, mro)
    return None


_FOREIGN: tuple[
    tuple[str, str, Callable[[type, tuple[type, ...]], Reader | None]], ...
] = (
    (
        "pydantic.main",
        "BaseModel",
        lambda _, mro: model_reader(mro, "__pydantic_fields_set__"),
    ),
    (
        "pydantic.v1.main",
        "BaseModel",
        lambda _, mro: model_reader(mro, "__fields_set__"),
    ),
    ("decimal", "Decimal", decimal_reader),
    ("uuid", "UUID", uuid_reader),
    ("pathlib", "PurePath", path_reader),
    ("numpy", "generic", numpy_scalar_reader),
    ("numpy", "ndarray", numpy_array_reader),
)


# Another thread may change a container meanwhile: the first try then raises
# RuntimeError, while `list` of a C iterator runs no other code in between.


def _taken(iterable: Callable[[], Iterable[Any]], limit: int) -> list[Any]:
    """Take at most *limit* items."""
    try:
        return list(islice(iterable(), limit))
    except RuntimeError:
        return list(iterable())[:limit]


def _dict_pairs(value: dict[object, object], limit: int) -> Pairs:
    pairs = _taken(lambda: dict.items(value), limit)
    return Pairs(pairs, dict.__len__(value))


def _list_items(value: list[object], limit: int) -> Items:
    return Items(_taken(lambda: list.__iter__(value), limit), list.__len__(value))


def _set_items(value: set[object], limit: int) -> Items:
    taken = _taken(lambda: set.__iter__(value), limit)
    return Items(_ordered(taken), set.__len__(value))


def _frozenset_items(value: frozenset[object], limit: int) -> Items:
    taken = _taken(lambda: frozenset.__iter__(value), limit)
    return Items(_ordered(taken), frozenset.__len__(value))


def _deque_items(value: collections.deque[object], limit: int) -> Items:
    taken = _taken(lambda: collections.deque.__iter__(value), limit)
    return Items(taken, collections.deque.__len__(value))


def _ordered(items: list[Any]) -> list[Any]:
    """Give the texts of a set an order, so that equal sets look the same."""
    if all(type(item) is str for item in items):
        items.sort()
    return items


_CONTAINER_READERS: tuple[tuple[type, Reader], ...] = (
    (dict, _dict_pairs),
    (list, _list_items),
    (tuple, tuple_items),
    (set, _set_items),
    (frozenset, _frozenset_items),
    (collections.deque, _deque_items),
)

_readers: dict[int, Reader] = {
    id(base): reader for base, reader in (*_CONTAINER_READERS, *VALUE_READERS)
}


def name_of_key(key: Any) -> str:
    """Return a key as a text, without running its code."""
    kind = type(key)
    if kind is str:
        name: str = key
    elif key is None or kind is bool:
        name = _JSON_WORDS[key]
    elif kind is int or kind is float:
        name = digits_of(key)
    else:
        reading = read(key, 0)
        if type(reading) is int:
            reading = digits_of(reading)
        name = reading if type(reading) is str else f"<{name_of(kind)}>"
    return name


def digits_of(number: float) -> str:
    """Return a number as text; a huge one by its size, which costs no time."""
    if type(number) is int:
        bits = number.bit_length()
        return str(number) if bits <= INT_BITS else f"<int {bits} bits>"
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return repr(number)
