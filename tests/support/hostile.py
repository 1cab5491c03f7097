"""
Objects that take revenge on whoever looks into them.

Each records every touch, so that a test can prove that there was none, rather
than that the outcome looked right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = (
    "TOUCHES",
    "Watched",
    "cyclic_dict",
    "cyclic_list",
    "deep",
    "hostile_builtins",
    "hostile_mapping",
    "hostile_objects",
    "watched_generator",
)

TOUCHES: list[str] = []
"""The names of the hostile methods that ran; tests clear it first."""

_NAMES = (
    "__repr__",
    "__str__",
    "__getattr__",
    "__getattribute__",
    "__iter__",
    "__next__",
    "__bool__",
    "__len__",
    "__hash__",
    "__eq__",
    "__call__",
    "__getitem__",
    "__contains__",
    "__format__",
    "__index__",
    "__int__",
    "__float__",
    "__bytes__",
    "__lt__",
    "__le__",
    "__gt__",
    "__ge__",
    "__neg__",
    "__sub__",
    "__length_hint__",
    "__fspath__",
    "__reduce__",
    "__reduce_ex__",
    "__copy__",
    "__deepcopy__",
    "__sizeof__",
    "__dir__",
    "__instancecheck__",
    "__buffer__",
    "items",
    "keys",
    "values",
    "get",
    "copy",
    "isoformat",
    "model_dump",
    "dict",
    "json",
    "encode",
    "lower",
    "is_integer",
    "bit_length",
)


def _trap(name: str, error: Callable[[], BaseException]) -> Any:
    """Return a method that records its call and raises."""

    def method(*_args: object, **_kwargs: object) -> Any:
        TOUCHES.append(name)
        raise error()

    return method


def _traps(error: Callable[[], BaseException], *, without: tuple[str, ...] = ()) -> Any:
    """Return a class body in which everything is a trap."""
    body = {n: _trap(n, error) for n in _NAMES if n not in without}
    for name in ("__class__", "__dict__", "password", "value", "args", "tzinfo"):
        body[name] = property(_trap(name, error))
    return body


class _Meta(type):
    """A metaclass that lies about its classes, and records being asked."""

    def __getattribute__(cls, name: str) -> Any:
        TOUCHES.append(f"meta.{name}")
        raise RuntimeError(name)

    def __hash__(cls) -> int:
        TOUCHES.append("meta.__hash__")
        raise RuntimeError

    def __eq__(cls, other: object) -> bool:
        TOUCHES.append("meta.__eq__")
        raise RuntimeError

    def __instancecheck__(cls, instance: object) -> bool:
        TOUCHES.append("meta.__instancecheck__")
        raise RuntimeError

    def __subclasscheck__(cls, subclass: type) -> bool:
        TOUCHES.append("meta.__subclasscheck__")
        raise RuntimeError


class Watched:
    """An object whose only attribute is a property that records being read."""

    @property
    def secret(self) -> str:
        """Record, and return nothing of use."""
        TOUCHES.append("secret")
        return ""


class _StopError(Exception):
    """An error that hostile code raises."""


def hostile_objects() -> list[tuple[str, Any]]:
    """Return named objects that must be left alone entirely."""
    made: list[tuple[str, Any]] = []
    errors: tuple[tuple[str, Callable[[], BaseException]], ...] = (
        ("exception", _StopError),
        ("interrupt", KeyboardInterrupt),
        ("exit", SystemExit),
        ("recursion", RecursionError),
        ("memory", MemoryError),
    )
    for name, error in errors:
        made.append((f"object-{name}", type("Hostile", (), _traps(error))()))
    made.append(("metaclass", object.__new__(_Meta("Odd", (), {}))))
    lying = {"__module__": Watched(), "__qualname__": "fine"}
    made.append(("module-lies", type("Liar", (), lying)()))
    fields = {
        "__dataclass_fields__": {"a": Watched()},
        "__getattr__": _trap("a", _StopError),
    }
    made.append(("fake-dataclass", type("Fake", (), fields)()))
    TOUCHES.clear()
    return made


def hostile_builtins() -> list[tuple[str, Any, Any]]:
    """Return named subclasses of built-ins, with what must be read of them."""
    without = ("__hash__", "__eq__", "__getattribute__")
    body = _traps(_StopError, without=without)
    made: list[tuple[str, Any, Any]] = []
    for base, args, expected in (
        (dict, ({"a": 1, "b": "x"},), {"a": 1, "b": "x"}),
        (list, ([1, "x"],), [1, "x"]),
        (tuple, ((1, "x"),), [1, "x"]),
        (str, ("text",), "text"),
        (int, (7,), 7),
        (float, (1.5,), 1.5),
        (bytes, (b"abc",), "<application/octet-stream 3 bytes>"),
        (set, ({"x"},), ["x"]),
        (frozenset, (frozenset({"x"}),), ["x"]),
    ):
        cls: Any = type(f"Hostile{base.__name__}", (base,), dict(body))
        made.append((base.__name__, base.__new__(cls, *args), expected))
    list.extend(made[1][1], [1, "x"])
    dict.update(made[0][1], {"a": 1, "b": "x"})
    set.add(made[7][1], "x")
    TOUCHES.clear()
    return made


def hostile_mapping(content: dict[str, Any]) -> dict[str, Any]:
    """Return a dict whose class and metaclass record each touch."""
    cls: Any = _Meta("OddDict", (dict,), {"items": _trap("items", _StopError)})
    made: dict[str, Any] = dict.__new__(cls)
    dict.update(made, content)
    return made


def cyclic_dict() -> dict[str, Any]:
    """Return a dict that holds itself."""
    value: dict[str, Any] = {"a": 1}
    value["self"] = value
    return value


def cyclic_list() -> list[Any]:
    """Return a list that holds itself, two levels down."""
    value: list[Any] = [1]
    value.append([value])
    return value


def deep(levels: int, kind: type = list) -> Any:
    """Return containers inside one another."""
    value: Any = "bottom"
    for _ in range(levels):
        value = {"k": value} if kind is dict else [value]
    return value


def watched_generator() -> Iterator[int]:
    """Yield once, and record that somebody asked."""
    TOUCHES.append("next")
    yield 1
