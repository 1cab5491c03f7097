"""
Look at classes, modules and objects of others without running their code.

A metaclass, a property, a module's `__getattr__` or a `__getattribute__` may do
anything; the C accessors of `type` and of built-in classes cannot be overridden.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = (
    "MISSING",
    "Holder",
    "attributes_of",
    "bare_name_of",
    "class_name_of",
    "dict_of",
    "is_class",
    "loaded",
    "looked_up",
    "mro_of",
    "name_of",
    "namespace_of",
    "own",
    "own_accessor",
    "qualname_of",
)

Holder: TypeAlias = ModuleType | type | object
"""What functions stand in: a module, a class, or an object that has its own."""

MISSING: Final = object()
"""Stands for "no such name", where None is a value."""

_NAME_CHARS = 200

# Bound C functions, as they are asked for each captured value.
mro_of: Final[Callable[[type], tuple[type, ...]]] = vars(type)["__mro__"].__get__
"""Return the method resolution order of a class, whatever its metaclass says."""

dict_of: Final[Callable[[type], Mapping[str, Any]]] = vars(type)["__dict__"].__get__
"""Return what a class itself defines, whatever its metaclass says."""

bare_name_of: Final[Callable[[type], str]] = vars(type)["__name__"].__get__
"""Return the plain name of a class, whatever its metaclass says."""

qualname_of: Final[Callable[[type], str]] = vars(type)["__qualname__"].__get__
"""Return the qualified name of a class, whatever its metaclass says."""

namespace_of: Final[Callable[[ModuleType], dict[str, Any]]] = vars(ModuleType)[
    "__dict__"
].__get__
"""Return the names of a module, to read and write, without waking a lazy one."""

_class_module: Final[Callable[[type], object]] = vars(type)["__module__"].__get__


def class_name_of(value: object) -> str:
    """Return the name of the class of *value*, whatever its metaclass says."""
    return bare_name_of(type(value))


def name_of(cls: type) -> str:
    """Return ``module.QualName`` of a class, at most 200 characters of ASCII."""
    try:
        module = _class_module(cls)
    except AttributeError:
        module = None
    if type(module) is not str:
        module = "?"
    name = qualname_of(cls)
    if type(name) is not str:
        # Set to an object of a class that is derived from it.
        name = bare_name_of(cls)
    return f"{module}.{name}"[:_NAME_CHARS].encode("ascii", "replace").decode()


def is_class(candidate: object) -> TypeGuard[type]:
    """Say whether it is a class, by its type alone: isinstance would ask *it* too."""
    return issubclass(type(candidate), type)


def attributes_of(holder: object) -> dict[str, Any]:
    """Return what an object holds itself, asking neither it nor its class."""
    try:
        attributes = object.__getattribute__(holder, "__dict__")
    except AttributeError:
        return {}
    return attributes if type(attributes) is dict else {}


def own(holder: Holder, name: str) -> object:
    """Return what stands under *name* in the holder itself, or MISSING."""
    namespace: Mapping[str, Any]
    if is_class(holder):
        namespace = dict_of(holder)
    elif issubclass(type(holder), ModuleType):
        namespace = object.__getattribute__(holder, "__dict__")
    else:
        namespace = attributes_of(holder)
    return namespace.get(name, MISSING)


def looked_up(holder: Holder, name: str) -> object:
    """Return what *name* finds, unbound, along the MRO of a class, or MISSING."""
    holders = mro_of(holder) if is_class(holder) else (holder,)
    found = (own(each, name) for each in holders)
    return next((raw for raw in found if raw is not MISSING), MISSING)


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
        return namespace_of(found).get(name)
    except TypeError:
        return None


def own_accessor(mro: tuple[type, ...], name: str, kind: type) -> Any:
    """Return a C accessor of instances; none if a class has its own code there."""
    for base in mro:
        accessor = dict_of(base).get(name)
        if accessor is not None:
            return accessor if type(accessor) is kind else None
    return None
