"""
Name the place of a value in a tree by the way that leads to it.

A path is written only when something is hidden there, so that a tree without
secrets pays nothing for it.
"""

import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

__all__ = ("Node", "Notes", "note_missing", "replace")

_PLAIN_KEY: Final = re.compile(r"[\w\-]{1,64}")
_KEY_CHARS: Final = 64
_PATHS_LIMIT: Final = 256
_MORE: Final = "…"


class Node(NamedTuple):
    """A container in a tree, and the way to it."""

    target: Any
    """The new container, of exact built-in type."""
    parent: "Node | None"
    key: str | int
    """Where the container stands in its parent."""
    depth: int = 0
    source: object = None
    """The object that is copied, by which a cycle is known."""
    reading: object = None
    """What was read of the object."""


class Notes:
    """Keep the paths of what was hidden or changed in one event."""

    __slots__ = ("altered", "base", "redacted")

    def __init__(self) -> None:
        """Begin without any."""
        self.base = ""
        """Where the tree stands in the event."""
        self.redacted: list[str] = []
        self.altered: list[str] = []

    def hide(self, node: Node, key: str | int) -> None:
        """Note that a value was hidden."""
        self._note(self.redacted, node, key)

    def alter(self, node: Node, key: str | int) -> None:
        """Note that a number became a text."""
        self._note(self.altered, node, key)

    def add(self, redacted: Iterable[str], altered: Iterable[str]) -> None:
        """Note the *redacted* and *altered* paths of what was captured elsewhere."""
        for paths, more in ((self.redacted, redacted), (self.altered, altered)):
            for path in more:
                if len(paths) < _PATHS_LIMIT and path not in paths:
                    paths.append(path)

    def _note(self, paths: list[str], node: Node, key: str | int) -> None:
        if len(paths) >= _PATHS_LIMIT:
            return
        path = self.path_of(node, key)
        if path not in paths:
            paths.append(path)

    def path_of(self, node: Node, key: str | int) -> str:
        """Return the path of an item, such as ``tool_call.arguments.items[0].key``."""
        parts: list[str] = []
        while node.parent is not None:
            parts.append(_part(key))
            node, key = node.parent, node.key
        return self.base + "".join(reversed(parts))


def _part(key: str | int) -> str:
    """Write one step of a path."""
    if type(key) is int:
        return f"[{key}]"
    name = str(key)
    if _PLAIN_KEY.fullmatch(name):
        return f".{name}"
    return f'["{name[:_KEY_CHARS]}"]'


def replace(node: Node, text: str) -> None:
    """Put a text in the place of a container."""
    if node.parent is not None:
        node.parent.target[node.key] = text


def note_missing(target: Any, missing: int) -> None:
    """Say how many items a copy lacks."""
    if missing <= 0:
        return
    if type(target) is dict:
        target[_MORE] = f"<+{missing} more>"
    else:
        target.append(f"<+{missing} more>")
