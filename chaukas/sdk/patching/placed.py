"""
Be the object that stands in place of a patched function, and reach such places.

Reading goes past `__getattr__`, metaclasses and descriptors, because a look at a
stranger's module or class must not run its code or bind what it holds.
"""

# wrapt keeps a proxy's own attributes under `_self_`: every other name is that of the
# wrapped function, which must not be hidden by ours.

from __future__ import annotations

import contextlib
import copy
import sys
from types import FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, Final, SupportsIndex, cast
from weakref import getweakrefcount

import wrapt

from chaukas.sdk.system.introspect import (
    MISSING,
    Holder,
    attributes_of,
    dict_of,
    is_class,
    looked_up,
    mro_of,
    name_of,
    namespace_of,
    own,
)

from .awaited import LAYERS, calling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = (
    "PlacedFunction",
    "PlacedMethod",
    "Switch",
    "beneath",
    "carries",
    "family_of",
    "is_abstract",
    "is_most_derived",
    "is_of",
    "is_placed",
    "is_wrappable",
    "placed_for",
    "restore",
    "silence_others",
    "stripped",
    "write",
)

# Asked at each call of a patched method; a `super()` would cost as much again.
_bound: Final = wrapt.FunctionWrapper.__get__
# What all of wrapt's wrappers come from; its name is not the same in all releases.
_PROXY: Final[type] = wrapt.FunctionWrapper.__mro__[-2]


class Switch:
    """
    On until turned off, for every wrapper of one patch at once.

    It is asked at each call of a patched function, so the question is a method of a
    builtin, which costs a tenth of a Python function.
    """

    __slots__ = ("_marks", "is_on")

    def __init__(self) -> None:
        """Start in the on position."""
        self._marks = [None]
        self.is_on = cast("Callable[[], bool]", self._marks.__len__)

    def turn_off(self) -> None:
        """Make every wrapper of this switch pass its calls straight through."""
        self._marks.clear()


# mypy takes no base that is computed, which is another where wrapt is all Python.
class _MethodType(type(wrapt.BoundFunctionWrapper)):  # type: ignore[misc]
    """
    Makes a method of a function and its instance too, as the type of all methods does.

    `weakref.WeakMethod` asks for that by the type of the method it was given.
    """

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if len(args) != 2 or kwargs:
            return super().__call__(*args, **kwargs)
        function, instance = args
        method = MethodType(function, instance)
        if type(function) is PlacedMethod:
            return function.__get__(instance, type(instance))
        if type(function) is FunctionType and is_class(instance):
            # Of a class method, which is found again past what we placed around it.
            standing = looked_up(instance, function.__name__)
            if is_placed(standing) and _innermost(standing) is function:
                return cast("Any", standing).__get__(None, instance)
        return method


# wrapt's stubs leave the type of what is wrapped open.
class PlacedMethod(
    wrapt.BoundFunctionWrapper,  # type: ignore[type-arg]
    metaclass=_MethodType,
):
    """A placed function after binding; pickles and copies as a method does."""

    def __repr__(self) -> str:
        """Show the method, as it does."""
        return repr(self.__wrapped__)

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        """Pickle as the name that finds the method again, wrapped or not."""
        wrapped = self.__wrapped__
        if type(wrapped) is FunctionType:
            return getattr, (self._self_owner, wrapped.__name__)
        return wrapped.__reduce_ex__(protocol)

    @property
    def __func__(self) -> object:
        """What the class holds, as of any method: called by itself, it is wrapped."""
        instance, parent = self._self_instance, self._self_parent
        if instance is None or self._self_binding != "function":
            return cast("Any", self.__wrapped__).__func__
        return parent.__get__(None, type(instance))

    def __copy__(self) -> PlacedMethod:
        """Return the same, as methods do."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> object:
        """Bind to a deep copy of the instance, as methods do."""
        wrapped = self.__wrapped__
        if type(wrapped) is not MethodType:
            return self
        instance = copy.deepcopy(wrapped.__self__, memo)
        if instance is wrapped.__self__:
            return self
        return self._self_parent.__get__(instance, type(instance))


# As above.
class PlacedFunction(wrapt.FunctionWrapper):  # type: ignore[type-arg]
    """
    What is put in the place of a function, and all the record there is of it.

    Args:
        raw: What stood there: also a `classmethod` or `staticmethod` object.
        wrap: Called as `wrap(wrapped, instance, args, kwargs)` while on.
        switch: Off means straight through.
        inherited: The place was empty: *raw* was found further up the MRO.
    """

    # Past the `__call__` above, since a method is bound at each call of the host's.
    __bound_function_wrapper__ = type.__call__.__get__(PlacedMethod)

    def __init__(
        self,
        raw: Callable[..., Any],
        wrap: Callable[..., Any],
        switch: Switch,
        *,
        inherited: bool = False,
    ) -> None:
        """Wrap *raw* without touching it."""
        super().__init__(raw, calling(wrap), enabled=switch.is_on)
        self._self_wrap = wrap
        self._self_switch = switch
        self._self_inherited = inherited
        self._self_raw: object = raw
        self._self_unbound: Any = None
        self._self_is_plain: bool = type(raw) is FunctionType or (
            type(raw) is PlacedFunction and raw._self_is_plain
        )

    def __repr__(self) -> str:
        """Show the function, as it does."""
        return repr(self.__wrapped__)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """
        Bind as wrapt does; asked of a class, always answer with the same object.

        A program may compare `type(x).method is Base.method`, as the SDK's encrypted
        session does to choose its way: functions compare equal, so must we.
        """
        if instance is not None or not self._self_is_plain:
            return _bound(self, instance, owner)
        if self._self_unbound is None:
            self._self_unbound = _bound(self, None, _home_of(self, owner))
        return self._self_unbound

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        """Pickle as the name that finds the function again, wrapped or not."""
        wrapped = self.__wrapped__
        if type(wrapped) is FunctionType:
            return wrapped.__qualname__
        return wrapped.__reduce_ex__(protocol)

    def __copy__(self) -> PlacedFunction:
        """Return the same, as functions do."""
        return self

    def __deepcopy__(self, _memo: dict[int, Any]) -> PlacedFunction:
        """Return the same, as functions do."""
        return self


LAYERS.update((PlacedFunction, PlacedMethod))


class _Lacking:
    """
    A special method that functions have not, and wrapt's proxies have.

    `ExitStack.push` asks the type of what it is given for `__exit__`: it must hear of a
    patched method what it hears of a method. An object that is called like a function
    answers for itself, though not by its type.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            raise AttributeError(self._name)
        return getattr(instance.__wrapped__, self._name)


for _name in ("__enter__", "__exit__", "__aenter__", "__aexit__"):
    setattr(PlacedFunction, _name, _Lacking(_name))
    setattr(PlacedMethod, _name, _Lacking(_name))


def _annotations(placed: Any) -> Any:
    return placed.__wrapped__.__annotations__


def _annotate(placed: Any, annotations: Any) -> None:
    placed.__wrapped__.__annotations__ = annotations


for _kind in (PlacedFunction, PlacedMethod):
    # Whoever asks a class for its annotations makes it keep an empty dictionary, which
    # would then stand before those of every function.
    type.__setattr__(_kind, "__annotations__", property(_annotations, _annotate))

# By these `isinstance` tells containers and numbers; None says that it is neither.
for _name in (
    *("__len__", "__contains__", "__iter__", "__reversed__", "__bytes__", "__int__"),
    *("__float__", "__complex__", "__index__", "__abs__", "__round__"),
):
    if hasattr(wrapt.FunctionWrapper, _name):
        setattr(PlacedFunction, _name, None)
        setattr(PlacedMethod, _name, None)


def _home_of(placed: object, owner: Any) -> Any:
    """Return the class that holds *placed*: a reference to it keeps nothing else."""
    for cls in mro_of(owner) if is_class(owner) else ():
        namespace: Mapping[str, Any] = dict_of(cls)
        if any(value is placed for value in namespace.values()):
            return cls
    return owner


def family_of(base: type) -> Iterator[type]:
    """Yield *base* and every subclass that lives now, each once."""
    # By id, because a metaclass may define its own equality; the classes are kept
    # beside it, so that no id is used twice.
    seen = {id(base): base}
    waiting = [base]
    while waiting:
        cls = waiting.pop()
        yield cls
        children: list[type] = type.__subclasses__(cls)
        for child in children:
            if id(child) not in seen:
                seen[id(child)] = child
                waiting.append(child)


def write(holder: Holder, name: str, value: object) -> None:
    """Put *value* under *name*; MISSING removes the name."""
    if is_class(holder):
        if value is MISSING:
            type.__delattr__(holder, name)
        else:
            type.__setattr__(holder, name, value)
    elif isinstance(holder, ModuleType):
        namespace_of(holder)[name] = value
    else:
        attributes_of(holder)[name] = value


def restore(holder: Holder, name: str, switch: Switch) -> None:
    """Take off the wrapper of *switch*, if it is still the outermost there."""
    current = own(holder, name)
    if is_of(current, switch):
        _keep_referenced(current)
        write(holder, name, stripped(current))


_referenced: list[object] = []
"""Functions of weak methods that outlive our wrappers: nobody else holds these."""


def _keep_referenced(layer: object) -> None:
    """Keep what weak methods of the host refer to, and nothing that none does now."""
    _referenced[:] = filter(getweakrefcount, _referenced)
    while type(layer) is PlacedFunction:
        if getweakrefcount(layer._self_unbound):
            _referenced.append(layer._self_unbound)
        layer = layer._self_raw


def placed_for(
    raw: object, wrap: Callable[..., Any], switch: Switch, *, inherited: bool
) -> tuple[PlacedFunction, object]:
    """
    Return a wrapper of *raw*, and what stands in its place.

    That is the wrapper itself, but of a static method a static method around it: who
    looks past the descriptors finds what was there before.
    """
    if type(raw) is not staticmethod:
        function = cast("Callable[..., Any]", raw)
        placed = PlacedFunction(function, wrap, switch, inherited=inherited)
        return placed, placed
    placed = PlacedFunction(raw.__func__, wrap, switch, inherited=inherited)
    placed._self_raw = raw
    return placed, staticmethod(placed)


def _layer(raw: object) -> object:
    """Return our wrapper inside of a static method, or *raw* itself."""
    if type(raw) is staticmethod and type(raw.__func__) is PlacedFunction:
        return raw.__func__
    return raw


def is_placed(raw: object) -> bool:
    """Say whether *raw* is a wrapper of ours."""
    return type(_layer(raw)) is PlacedFunction


def is_of(raw: object, switch: Switch) -> bool:
    """Say whether *raw* is a wrapper of *switch*, on or off."""
    raw = _layer(raw)
    return type(raw) is PlacedFunction and raw._self_switch is switch


def stripped(raw: object) -> object:
    """Return what is left without our switched-off layers; MISSING: nothing was."""
    below, inherited = beneath(raw)
    return MISSING if inherited else below


def beneath(raw: object) -> tuple[object, bool]:
    """Return what our switched-off layers wrap, and whether it was inherited."""
    inherited = False
    layer = _layer(raw)
    while type(layer) is PlacedFunction and not layer._self_switch.is_on():
        inherited = layer._self_inherited
        raw = layer._self_raw
        layer = _layer(raw)
    return raw, inherited


def carries(raw: object, wrap: Callable[..., Any]) -> bool:
    """Say whether *wrap* is already active at some layer that can be seen."""
    while raw is not MISSING:
        if (
            type(raw) is PlacedFunction
            # Equal: a bound method of ours is another object at each access.
            and raw._self_wrap == wrap
            and raw._self_switch.is_on()
        ):
            return True
        raw = _next_layer(raw)
    return False


def _next_layer(raw: object) -> object:
    """Return what a layer is around, of ours or another's; MISSING: it is none."""
    if type(raw) is PlacedMethod:
        parent: object = raw._self_parent
        return parent
    if issubclass(type(raw), (wrapt.FunctionWrapper, wrapt.BoundFunctionWrapper)):
        return cast("Any", raw).__wrapped__
    if type(raw) is FunctionType:
        return raw.__dict__.get("__wrapped__", MISSING)
    if type(raw) is classmethod or type(raw) is staticmethod:
        return raw.__func__
    return MISSING


def silence_others(raw: object) -> None:
    """
    Switch off the wrappers of another copy of this package, loaded before this one.

    A program may drop its modules and import them again. What is left of the first copy
    would record every call a second time.
    """
    this = sys.modules.get(__name__)
    if this is None or vars(this).get("PlacedFunction") is not PlacedFunction:
        return
    mine, name = (PlacedFunction, PlacedMethod), name_of(PlacedFunction)
    while True:
        kind = type(raw)
        if name_of(kind) == name and kind not in mine:
            with contextlib.suppress(AttributeError):
                cast("Any", raw)._self_switch.turn_off()
        raw = _next_layer(raw)
        if raw is MISSING:
            return


def is_most_derived(wrapped: Callable[..., Any], instance: object, name: str) -> bool:
    """
    Say whether a patched method that runs is the one that its object has for *name*.

    With a patch of all subclasses, an override and the base's definition that it
    reaches by `super()` are both wrapped. This tells the two apart.

    Args:
        wrapped: What `wrap` was given: bound, or with its object as first argument.
        instance: The object, as `wrap` was given it; of a class method, the class.
        name: Name of the method.
    """
    cls = instance if is_class(instance) else type(instance)
    raw = looked_up(cls, name)
    while type(raw) is FunctionType and "__wrapped__" in raw.__dict__:
        # Somebody else's layer, above ours.
        raw = raw.__dict__["__wrapped__"]
    if type(_layer(raw)) not in (PlacedFunction, PlacedMethod):
        return True
    return _innermost(raw) is _innermost(wrapped)


def _innermost(raw: object) -> object:
    """Return the function below bindings and placed functions."""
    while True:
        if issubclass(type(raw), _PROXY):
            raw = cast("Any", raw).__wrapped__
        elif type(raw) in (MethodType, classmethod, staticmethod):
            raw = cast("Any", raw).__func__
        else:
            return raw


def is_wrappable(raw: object) -> bool:
    """Say whether *raw* is called like a function; a class or a property is not."""
    if is_class(raw):
        return False
    return callable(raw) or type(raw) in (classmethod, staticmethod)


def is_abstract(raw: object) -> bool:
    """Say whether *raw* only declares a method that subclasses must define."""
    if type(raw) is classmethod or type(raw) is staticmethod:
        raw = raw.__func__
    return type(raw) is FunctionType and "__isabstractmethod__" in raw.__dict__
