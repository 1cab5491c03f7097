"""
Hold values as they are on the host's thread, until the writer's makes an event of them.

What cannot change is kept by reference, plain JSON data as the bytes that one call into
C makes of it. Light to import: what captures the values is loaded when it is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

import orjson

if TYPE_CHECKING:
    from .snapshot import Capture

__all__ = (
    "LEAF_BYTES",
    "Deferred",
    "Frozen",
    "HeldItems",
    "HeldMembers",
    "Taker",
    "captured_now",
    "freeze",
    "held_bytes_of",
    "members_of",
    "thawed",
    "weight_bytes_of",
)

_OPTIONS: Final = orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATACLASS
_NODES: Final = 50_000
_CHARS: Final = 1 << 20
"""What is larger is captured at once, which is bounded: a note holds no more."""
LEAF_BYTES: Final = 32


class Frozen:
    """Plain JSON data as it was, encoded."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data

    def thaw(self) -> Any:
        """Return the data anew."""
        return orjson.loads(self.data)


def freeze(value: Any) -> Any:
    """
    Return *value* as it is now, if that takes one call into C.

    Args:
        value: Any object; nothing but exact built-in types is looked at.

    Returns:
        A text, number, bool or None itself; a `Frozen` for dicts, lists and tuples of
        such; `NotImplemented` for anything else, and for what is very large.
    """
    # Not `in`: it would ask a stranger's metaclass about equality.
    kind = type(value)
    if kind is str:
        return value if len(value) <= _CHARS else NotImplemented
    if value is None or kind is int or kind is bool or kind is float:
        return value
    is_container = kind is dict or kind is list or kind is tuple
    if not is_container or not _is_plain(value):
        return NotImplemented
    try:
        return Frozen(orjson.dumps(value, option=_OPTIONS))
    except TypeError:
        # Keys that are no texts, numbers of more than 64 bits, a lone surrogate.
        return NotImplemented


def thawed(value: Any) -> Any:
    """Return what `freeze` or `hold` was given: the same, or equal plain data."""
    kind = type(value)
    if kind is Frozen:
        return value.thaw()
    if kind is HeldItems:
        return [thawed(item) for item in value]
    if kind is HeldMembers:
        return {name: thawed(item) for name, item in value.items()}
    return value


def held_bytes_of(value: Any) -> int:
    """Return what a value that is held weighs in memory, about."""
    kind = type(value)
    if kind is str:
        return len(value)
    if kind is Frozen:
        return len(value.data)
    if kind is HeldItems:
        return sum(map(held_bytes_of, value))
    if kind is HeldMembers:
        return sum(map(held_bytes_of, value.values()))
    return LEAF_BYTES


class HeldItems(list[Any]):
    """A list whose items are held one by one."""


class HeldMembers(dict[str, Any]):
    """A dict whose members are held one by one."""


# One loop without a call: it is run for every value that is kept.
def _is_plain(value: Any) -> bool:
    """Tell whether *value* is small and made of what JSON has, exactly."""
    chars = _CHARS
    waiting = [value]
    for item in waiting:
        kind = type(item)
        if kind is str:
            chars -= len(item)
        elif kind is dict:
            if len(item) + len(waiting) > _NODES or chars < 0:
                return False
            waiting += item.values()
        elif kind is list or kind is tuple:
            if len(item) + len(waiting) > _NODES or chars < 0:
                return False
            waiting += item
        elif kind is float:
            # Infinity and NaN are not in JSON.
            if item - item != 0.0:
                return False
        elif kind is not int and kind is not bool and item is not None:
            return False
    return chars >= 0


class Taker(Protocol):
    """What took a value, and captures it."""

    @property
    def made(self) -> Capture:
        """What captures, with the budgets of one event."""
        ...

    @property
    def is_noted(self) -> bool:
        """Whether anything was hidden or altered so far."""
        ...


class Deferred:
    """
    A value that stands in an event's content until the writer captures it.

    As a key of a dict it stands for the members that it has once it is captured.
    """

    __slots__ = ("_is_captured", "capture", "is_text", "path", "value", "weight_bytes")

    def __init__(
        self,
        capture: Taker,
        value: Any,
        path: str,
        weight_bytes: int,
        *,
        is_text: bool,
    ) -> None:
        self.capture = capture
        self.value = value
        self.path = path
        self.weight_bytes = weight_bytes
        """What it keeps in memory, about."""
        self.is_text = is_text
        self._is_captured = False

    @property
    def is_mapping(self) -> bool:
        """Whether it is a dict that will be captured."""
        value = self.value
        if self._is_captured:
            return type(value) is dict
        return (
            type(value) is Frozen and value.data.startswith(b"{") and not self.is_text
        )

    def captured(self) -> Any:
        """Return what the event shows; on the writer's thread."""
        if not self._is_captured:
            take = self.capture.made.text if self.is_text else self.capture.made.tree
            self.value = take(thawed(self.value), self.path)
            # One value may stand in several events; the first names what was hidden.
            self._is_captured = True
        return self.value


def members_of(tree: Any, name: str = "") -> dict[Any, Any]:
    """
    Return the members of a captured dict, to be put among others.

    Args:
        tree: What `tree` returned.
        name: Member to make of anything else; left out if there is none.
    """
    if type(tree) is dict:
        return tree
    if type(tree) is Deferred and tree.is_mapping:
        return {tree: True}
    return {name: tree} if name else {}


def weight_bytes_of(tree: Any) -> int:
    """Return what a deferred value keeps in memory, about."""
    return tree.weight_bytes if type(tree) is Deferred else 0


def captured_now(tree: Any) -> Any:
    """Return what a deferred value becomes; for the writer's thread only."""
    return tree.captured() if type(tree) is Deferred else tree
