"""
Under which names the loaded modules of a package hold a function.

A framework hands its functions on from module to module; who replaces one everywhere
looks through all of them, and for many functions at once no slower than for one.
"""

from __future__ import annotations

import sys
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, final

from chaukas.sdk.system.introspect import namespace_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ("Names", "namespaces_of")


def namespaces_of(top: str) -> Iterator[dict[str, Any]]:
    """Yield the names of every loaded module of a package, waking no lazy one."""
    within = f"{top}."
    for name, module in sys.modules.copy().items():
        inside = name.startswith(within) or name == top
        if inside and issubclass(type(module), ModuleType):
            yield namespace_of(module)


class _Package:
    """The functions of one package, as they were when it was looked through."""

    __slots__ = ("_modules", "_namespaces", "_size", "functions")

    def __init__(self, top: str) -> None:
        self._modules = len(sys.modules)
        self._namespaces = tuple(namespaces_of(top))
        self._size = self._sum()
        self.functions: dict[int, list[tuple[dict[str, Any], str]]] = {}
        for namespace in self._namespaces:
            for key, value in namespace.copy().items():
                if type(value) is FunctionType:
                    self.functions.setdefault(id(value), []).append((namespace, key))

    def is_current(self) -> bool:
        """Return whether nothing was imported since, nor loaded lazily."""
        return self._modules == len(sys.modules) and self._size == self._sum()

    def _sum(self) -> int:
        return sum(map(len, self._namespaces))


@final
class Names:
    """The names of all functions of packages, to be kept for a moment."""

    __slots__ = ("_packages",)

    def __init__(self) -> None:
        self._packages: dict[str, _Package] = {}

    def of(self, raw: object, top: str) -> Sequence[tuple[dict[str, Any], str]]:
        """
        Return where the modules of a package may hold a function, and where alone.

        Args:
            raw: The function.
            top: The package.
        """
        package = self._packages.get(top)
        if package is None or not package.is_current():
            package = self._packages[top] = _Package(top)
        return package.functions.get(id(raw), ())
