"""
Hold values as they are on the host's thread, until the writer's makes an event of them.

What cannot change is kept by reference, plain JSON data as the bytes that one call into
C makes of it. Light to import: what captures the values is loaded when it is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

import orjson

from .long_text import HELD_CHARS, LongText

if TYPE_CHECKING:
    from .snapshot import Capture

__all__ = (
    "LEAF_BYTES",
    "PIECE_ITEMS",
    "Deferred",
    "Frozen",
    "FrozenItems",
    "HeldItems",
    "HeldMembers",
    "Taker",
    "captured_now",
    "freeze",
    "held_bytes_of",
    "is_long",
    "members_of",
    "nodes_of",
    "thawed",
    "weight_bytes_of",
)

_OPTIONS: Final = orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATACLASS
_NODES: Final = 12_000
"""Values in what is held as one; an event shows fewer."""
LEAF_BYTES: Final = 32
_LOOKED_AT: Final = 1_024
"""Members of a value that are looked at for long texts."""
PIECE_ITEMS: Final = 128
"""Items of a long list that are held as one."""


class Frozen:
    """Plain JSON data as it was, encoded."""

    __slots__ = ("data", "nodes")

    def __init__(self, data: bytes, nodes: int = 1) -> None:
        self.data = data
        self.nodes = nodes
        """How many values it holds, containers included."""

    def thaw(self) -> Any:
        """Return the data anew."""
        return orjson.loads(self.data)


class FrozenItems(Frozen):
    """Some items of a list, encoded as a list of their own."""

    __slots__ = ()


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
        return value if len(value) <= HELD_CHARS else NotImplemented
    if value is None or kind is int or kind is bool or kind is float:
        return value
    is_container = kind is dict or kind is list or kind is tuple
    nodes = is_container and _plain_nodes(value)
    if not nodes:
        return NotImplemented
    try:
        return Frozen(orjson.dumps(value, option=_OPTIONS), nodes)
    except TypeError:
        # Keys that are no texts, numbers of more than 64 bits, a lone surrogate.
        return NotImplemented


def is_long(value: Any) -> bool:
    """
    Tell whether a list or dict of plain data is too long to be held as one.

    Its texts are, or a list in it has many items of which the first are plain.
    """
    waiting, left_chars = [value], HELD_CHARS
    for item in waiting:
        kind = type(item)
        if kind is str:
            left_chars -= len(item)
            if left_chars < 0:
                return True
        is_container = kind is dict or kind is list
        if is_container and len(item) + len(waiting) <= _LOOKED_AT:
            waiting += item.values() if kind is dict else item
        elif kind is list and _plain_nodes(item[:PIECE_ITEMS]):
            return True
    return False


def thawed(value: Any) -> Any:
    """Return what `freeze` or `hold` was given: the same, or equal plain data."""
    kind = type(value)
    if kind is Frozen:
        return value.thaw()
    if kind is HeldItems:
        items: list[Any] = []
        for item in value:
            if type(item) is FrozenItems:
                items += item.thaw()
            else:
                items.append(thawed(item))
        return items
    if kind is HeldMembers:
        return {name: thawed(item) for name, item in value.items()}
    return value


def held_bytes_of(value: Any) -> int:
    """Return what a value that is held weighs in memory, about; also of plain data."""
    kind = type(value)
    if kind is str or kind is LongText:
        return len(value)
    if kind is Frozen or kind is FrozenItems:
        return len(value.data)
    if kind is HeldItems or kind is list:
        return LEAF_BYTES + sum(map(held_bytes_of, value))
    if kind is HeldMembers or kind is dict:
        return LEAF_BYTES + sum(map(held_bytes_of, value.values()))
    return LEAF_BYTES


def nodes_of(value: Any) -> int:
    """Return how many values are in what is held."""
    kind = type(value)
    if kind is Frozen or kind is FrozenItems:
        nodes: int = value.nodes
        return nodes
    if kind is HeldItems or kind is list:
        return 1 + sum(map(nodes_of, value))
    if kind is HeldMembers or kind is dict:
        return 1 + sum(map(nodes_of, value.values()))
    return 1


class HeldItems(list[Any]):
    """A list whose items are held one by one, or some as one."""


class HeldMembers(dict[str, Any]):
    """A dict whose members are held one by one."""


# One loop without a call: it is run for every value that is kept.
def _plain_nodes(value: Any) -> int:
    """Count the values of what is small and made of what JSON has, exactly; else 0."""
    chars = HELD_CHARS
    waiting = [value]
    for item in waiting:
        kind = type(item)
        if kind is str:
            chars -= len(item)
        elif kind is dict:
            if len(item) + len(waiting) > _NODES or chars < 0:
                return 0
            waiting += item.values()
        elif kind is list or kind is tuple:
            if len(item) + len(waiting) > _NODES or chars < 0:
                return 0
            waiting += item
        elif kind is float:
            # Infinity and NaN are not in JSON.
            if item - item != 0.0:
                return 0
        elif kind is not int and kind is not bool and item is not None:
            return 0
    return len(waiting) if chars >= 0 else 0


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
        if self.is_text:
            return False
        is_object = type(value) is Frozen and value.data.startswith(b"{")
        return is_object or type(value) is HeldMembers or type(value) is dict

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
