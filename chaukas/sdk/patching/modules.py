"""Tell whether a module can still be imported, without importing anything."""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder, SourceFileLoader, SourcelessFileLoader
from types import ModuleType

from chaukas.sdk.system.introspect import MISSING, own

__all__ = ("can_come",)


def can_come(name: str) -> bool:
    """
    Tell whether the module *name* may still be imported.

    It cannot where a package around it is loaded from plain files and has no file of
    that name: another release of the package has. All else may come, from an archive
    or from a loader of its own.

    Args:
        name: Full name. None of the packages around it is imported for this.
    """
    parts = name.split(".")
    for depth in range(len(parts) - 1, 0, -1):
        package = sys.modules.get(".".join(parts[:depth]))
        if package is not None:
            return not _is_of_files(package) or _has_file(package, parts, depth)
    return True


def _is_of_files(package: ModuleType) -> bool:
    if not issubclass(type(package), ModuleType):
        return False
    loader = getattr(own(package, "__spec__"), "loader", None)
    return type(loader) in (SourceFileLoader, SourcelessFileLoader)


def _has_file(package: ModuleType, parts: list[str], depth: int) -> bool:
    places = own(package, "__path__")
    for end in range(depth + 1, len(parts) + 1):
        if places is None or places is MISSING:
            # A plain module, which has nothing below it.
            return False
        if type(places) is not list:
            # A package of pieces, of which any may come.
            return True
        spec = PathFinder.find_spec(".".join(parts[:end]), places)
        if spec is None:
            return False
        places = spec.submodule_search_locations
    return True
