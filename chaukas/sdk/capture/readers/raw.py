"""
Name what readers make of a value, and read the plain parts that they share.

Nothing here runs code of the value's class, see `system/introspect`.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, TypeAlias

from chaukas.sdk.system.introspect import mro_of

__all__ = (
    "Blob",
    "Items",
    "Mark",
    "NumberText",
    "Pairs",
    "Reader",
    "held_by",
    "is_plain",
)


@dataclasses.dataclass(frozen=True, slots=True)
class Mark:
    """A text of ours that stands for a value, such as ``<module.Name>``."""

    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class NumberText:
    """A number that only a text can hold exactly."""

    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class Pairs:
    """What a mapping, or an object with fields, holds."""

    items: list[tuple[Any, Any]]
    total: int
    """How many there are, those beyond the limit included."""


@dataclasses.dataclass(frozen=True, slots=True)
class Items:
    """What a sequence or a set holds."""

    items: list[Any]
    total: int
    """How many there are, those beyond the limit included."""


@dataclasses.dataclass(frozen=True, slots=True)
class Blob:
    """Binary content: all of it when small, else its beginning."""

    content: bytes
    size_bytes: int


Reader: TypeAlias = Callable[[Any, int], object]
"""Read an instance, taking at most so many items from it."""


def is_plain(value: object) -> bool:
    """
    Tell whether a value is an exact str, int, float or bool, or None.

    Not by ``type(value) in (…)``: that asks a stranger's metaclass about equality.
    """
    kind = type(value)
    return kind is str or kind is int or kind is float or kind is bool or value is None


def held_by(value: object, accessor: Any) -> list[tuple[str, Any]]:
    """Return the pairs of the dict behind an accessor, those named by a text."""
    if accessor is None:
        return []
    try:
        held = accessor.__get__(value)
    except AttributeError:
        return []
    kind = type(held)
    # Not `in`: it would ask the classes' own metaclass whether they are equal.
    if kind is not dict and not any(base is dict for base in mro_of(kind)):
        return []
    return [pair for pair in list(dict.items(held)) if type(pair[0]) is str]
