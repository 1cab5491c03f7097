"""
Look at classes and instances without running their code.

A metaclass, a property or a `__getattribute__` may do anything; the C accessors
of `type` and of built-in classes cannot be overridden by a stranger.
"""

import dataclasses
import sys
import types
from collections.abc import Callable
from typing import Any, Final, TypeAlias

__all__ = (
    "Blob",
    "Items",
    "Mark",
    "NumberText",
    "Pairs",
    "Reader",
    "dict_of",
    "held_by",
    "is_plain",
    "loaded",
    "mro_of",
    "name_of",
    "own_accessor",
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

mro_of: Final[Any] = type.__dict__["__mro__"].__get__
"""Return the bases of a class, whatever its metaclass says."""

dict_of: Final[Any] = type.__dict__["__dict__"].__get__
"""Return what a class itself defines, whatever its metaclass says."""

_name_of: Final[Any] = type.__dict__["__name__"].__get__
_qualname_of: Final[Any] = type.__dict__["__qualname__"].__get__
_module_of: Final[Any] = type.__dict__["__module__"].__get__
_module_body: Final[Any] = vars(types.ModuleType)
_module_dict_of: Final[Any] = _module_body["__dict__"].__get__
_NAME_LIMIT = 200


def name_of(cls: type) -> str:
    """Return ``module.QualName`` of a class, whatever its metaclass says."""
    try:
        module = _module_of(cls)
    except AttributeError:
        module = None
    qualname = _qualname_of(cls)
    if type(qualname) is not str:
        qualname = _name_of(cls)
    if type(module) is not str:
        module = "?"
    return f"{module}.{qualname}"[:_NAME_LIMIT].encode("ascii", "replace").decode()


def loaded(module: str, name: str) -> Any:
    """
    Return what a module defines, if it is loaded; never load it.

    An instance can only exist once its module is loaded, so that chaukas knows
    the classes of packages that it does not import.
    """
    found = sys.modules.get(module)
    if found is None:
        return None
    try:
        return _module_dict_of(found).get(name)
    except TypeError:
        return None


def is_plain(value: object) -> bool:
    """
    Tell whether a value is an exact str, int, float or bool, or None.

    Not by ``type(value) in (…)``: that asks a stranger's metaclass about equality.
    """
    kind = type(value)
    return kind is str or kind is int or kind is float or kind is bool or value is None


def own_accessor(mro: tuple[type, ...], name: str, kind: type) -> Any:
    """Return a C accessor of instances; none if a class has its own code there."""
    for base in mro:
        accessor = dict_of(base).get(name)
        if accessor is not None:
            return accessor if type(accessor) is kind else None
    return None


def held_by(value: object, accessor: Any) -> list[tuple[str, Any]]:
    """Return the pairs of the dict behind an accessor, those named by a text."""
    if accessor is None:
        return []
    try:
        held = accessor.__get__(value)
    except AttributeError:
        return []
    # Not `in`: it would ask the classes' own metaclass whether they are equal.
    if not any(base is dict for base in mro_of(type(held))):
        return []
    return [pair for pair in list(dict.items(held)) if type(pair[0]) is str]
