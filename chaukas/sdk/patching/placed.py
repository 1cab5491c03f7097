"""
Be the object that stands in place of a patched function, and reach such places.

Reading goes past `__getattr__`, metaclasses and descriptors, because a look at a
stranger's module or class must not run its code or bind what it holds.
"""

# wrapt keeps a proxy's own attributes under `_self_`: every other name is that of the
# wrapped function, which must not be hidden by ours.

from __future__ import annotations

import copy
from types import FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, Final, SupportsIndex, cast

import wrapt

from chaukas.sdk.system.introspect import (
    MISSING,
    Holder,
    attributes_of,
    dict_of,
    is_class,
    looked_up,
    mro_of,
    namespace_of,
    own,
)

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


# wrapt's stubs leave the type of what is wrapped open.
class PlacedMethod(wrapt.BoundFunctionWrapper):  # type: ignore[type-arg]
    """A placed function after binding; pickles and copies as a method does."""

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

    __bound_function_wrapper__ = PlacedMethod

    def __init__(
        self,
        raw: Callable[..., Any],
        wrap: Callable[..., Any],
        switch: Switch,
        *,
        inherited: bool = False,
    ) -> None:
        """Wrap *raw* without touching it."""
        super().__init__(raw, wrap, enabled=switch.is_on)
        self._self_wrap = wrap
        self._self_switch = switch
        self._self_inherited = inherited
        self._self_raw: object = raw
        self._self_unbound: Any = None

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """
        Bind as wrapt does; asked of a class, always answer with the same object.

        A program may compare `type(x).method is Base.method`, as the SDK's encrypted
        session does to choose its way: functions compare equal, so must we.
        """
        if instance is not None or type(self.__wrapped__) is not FunctionType:
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
        write(holder, name, stripped(current))


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
    while True:
        if type(raw) is PlacedFunction:
            # Equal: a bound method of ours is another object at each access.
            if raw._self_wrap == wrap and raw._self_switch.is_on():
                return True
            raw = raw.__wrapped__
        elif type(raw) is PlacedMethod:
            raw = raw._self_parent
        elif type(raw) is FunctionType and "__wrapped__" in raw.__dict__:
            raw = raw.__dict__["__wrapped__"]
        elif type(raw) is classmethod or type(raw) is staticmethod:
            raw = raw.__func__
        else:
            return False


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
