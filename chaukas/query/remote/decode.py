"""
Answers made from their JSON again: one reader for all, led by the types of the fields.

What a newer collector says beside is passed over; what an older one does not say is an
error, unless the field has a default.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable
from dataclasses import MISSING, fields
from functools import cache, partial
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from chaukas.query import answers
from chaukas.store import answers as rows

__all__ = ("MismatchError", "decoded")

_NAMES = {**vars(rows), **vars(answers)}
"""What the types of fields may name, be it loaded by their own module or not."""
_NONE = type(None)
_Read = Callable[[Any], Any]
_Field = tuple[str, _Read, bool]
"""Name of a field, how its value is read, and whether it must be there."""


class MismatchError(ValueError):
    """A value is not what its type says; the text names the field."""


def decoded(kind: Any, value: object) -> Any:
    """
    Return an answer of a type from what its JSON holds.

    Args:
        kind: A dataclass, `Page[…]`, list, tuple, dict, Literal, union, plain type or
            Any.
        value: What a reader of JSON made of `to_json(answer)`.

    Raises:
        MismatchError: It is something else.
    """
    return _reader_of(kind, "answer")(value)


# Made once for each type: a tree has many thousand fields of a few types.
@cache
def _reader_of(kind: Any, place: str) -> _Read:
    """Return what reads values of a type that stand in a place."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind in (Any, str, int, float, bool, _NONE):
        return _plain_reader_of(kind, place)
    if origin is Literal:
        return partial(_word, frozenset(inner), place)
    if origin in (Union, types.UnionType):
        wanted = {one: _reader_of(one, place) for one in inner}
        return partial(_one_of, wanted, place)
    if origin in (list, tuple, dict):
        return _reader_of_several(origin, inner, place)
    return partial(_made, origin or kind, _fields_of(origin or kind, inner))


def _reader_of_several(origin: Any, inner: tuple[Any, ...], place: str) -> _Read:
    if origin is dict:
        return partial(_by_name, _reader_of(inner[1], place), place)
    if origin is list or inner[1:] == (...,):
        return partial(_all, origin, _reader_of(inner[0], place), place)
    return partial(_each, [_reader_of(one, place) for one in inner], place)


def _plain_reader_of(kind: Any, place: str) -> _Read:
    if kind is Any:
        return _as_it_is
    return partial(_number if kind is float else _exactly, kind, place)


def _as_it_is(value: Any) -> Any:
    return value


def _exactly(kind: type[Any], place: str, value: Any) -> Any:
    if type(value) is not kind:
        raise MismatchError(f"{place} is of another kind")
    return value


def _number(_kind: type[Any], place: str, value: Any) -> Any:
    # A whole number is as good: it was one where it was measured. What is no finite
    # number has no word in JSON.
    if value is None:
        return math.nan
    return value if type(value) is int else _exactly(float, place, value)


def _word(known: frozenset[str], place: str, value: Any) -> Any:
    if type(value) is not str or value not in known:
        raise MismatchError(f"{place} has a value that is not known here")
    return value


def _one_of(readers: dict[Any, _Read], place: str, value: Any) -> Any:
    kind = type(value)
    if kind in readers:
        return readers[kind](value)
    if kind is int and float in readers:
        return value
    others = [one for one in readers if one is not _NONE]
    if value is None or len(others) > 1:
        raise MismatchError(f"{place} is of another kind")
    return readers[others[0]](value)


def _all(make: Callable[[Any], Any], read: _Read, place: str, value: Any) -> Any:
    return make([read(one) for one in _exactly(list, place, value)])


def _each(readers: list[_Read], place: str, value: Any) -> Any:
    if len(_exactly(list, place, value)) != len(readers):
        raise MismatchError(f"{place} has another length")
    return tuple(read(one) for read, one in zip(readers, value, strict=True))


def _by_name(read: _Read, place: str, value: Any) -> Any:
    found = _exactly(dict, place, value)
    return {name: read(one) for name, one in found.items()}


def _made(kind: Any, wanted: tuple[_Field, ...], value: Any) -> Any:
    found = _exactly(dict, kind.__name__, value)
    made = {}
    for name, read, is_needed in wanted:
        if name in found:
            made[name] = read(found[name])
        elif is_needed:
            raise MismatchError(f"{kind.__name__}.{name} is missing")
    return kind(**made)


def _fields_of(kind: Any, arguments: tuple[Any, ...]) -> tuple[_Field, ...]:
    hints = get_type_hints(kind, localns=_NAMES)
    found = dict(zip(getattr(kind, "__parameters__", ()), arguments, strict=True))
    made = []
    for one in fields(kind):
        hint = _filled(hints[one.name], found)
        place = f"{kind.__name__}.{one.name}"
        made.append((one.name, _reader_of(hint, place), one.default is MISSING))
    return tuple(made)


def _filled(hint: Any, found: dict[TypeVar, Any]) -> Any:
    """Return a type with its variables replaced, as `Page[RunRow]` says."""
    if not getattr(hint, "__parameters__", ()):
        return hint
    return hint[tuple(found[variable] for variable in hint.__parameters__)]
