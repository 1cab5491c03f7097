"""
Notice when a module is loaded again: by `importlib.reload`, or by a second import.

Its functions and classes are then new objects, which nobody has patched. The import
system asks a finder before it loads anything, and that is all there is to hook into.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from chaukas.sdk.system.internal_errors import report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

__all__ = ("unwatch", "watch")


class _Finder:
    """Stands first in `sys.meta_path`, and finds nothing by itself."""

    def __init__(self) -> None:
        self.listeners: dict[str, list[Callable[[str, ModuleType], None]]] = {}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: Any = None
    ) -> ModuleSpec | None:
        """Return the spec that the other finders have, with an eye on its loader."""
        if name not in self.listeners:
            return None
        for finder in tuple(sys.meta_path):
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find(name, path, target) if find else None
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    # It is a loader for as long as it loads.
                    spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
                return spec
        return None


class _Loader:
    """Loads as the loader it stands for, tells of it, and leaves no trace."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Let the loader make the module."""
        created: ModuleType | None = self._loader.create_module(spec)
        return created

    def exec_module(self, module: ModuleType) -> None:
        """Let the loader fill the module, which then belongs to that loader alone."""
        spec = module.__spec__
        if spec is not None:
            spec.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        for listener in tuple(_finder.listeners.get(module.__name__, ())):
            _tell(listener, module)


def _tell(listener: Callable[[str, ModuleType], None], module: ModuleType) -> None:
    try:
        listener(module.__name__, module)
    # Whatever it is, the host's import goes on.
    except Exception as error:
        report(f"reload of {module.__name__}", error)


_finder = _Finder()


def watch(name: str, listener: Callable[[str, ModuleType], None]) -> None:
    """Call *listener* with name and module, each time when *name* was loaded again."""
    listeners = _finder.listeners.setdefault(name, [])
    if listener not in listeners:
        listeners.append(listener)
    if not any(each is _finder for each in sys.meta_path):
        sys.meta_path.insert(0, _finder)


def unwatch(listener: Callable[[str, ModuleType], None]) -> None:
    """Call *listener* no more; the last one takes the finder with it."""
    for name, listeners in tuple(_finder.listeners.items()):
        if listener in listeners:
            listeners.remove(listener)
        if not listeners:
            del _finder.listeners[name]
    if not _finder.listeners:
        sys.meta_path[:] = [each for each in sys.meta_path if each is not _finder]
