"""Tell whether a module can still be imported, without importing anything."""

from __future__ import annotations

import sys
from functools import lru_cache
from importlib.machinery import PathFinder, SourceFileLoader, SourcelessFileLoader
from types import ModuleType
from typing import TYPE_CHECKING

from chaukas.sdk.system.introspect import MISSING, own

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    around = name.rpartition(".")[0]
    while around:
        package = sys.modules.get(around)
        if package is not None:
            try:
                return not _is_of_files(package) or _has_file(package, around, name)
            # A path hook of somebody else may do anything; then the module may come.
            except Exception:
                return True
        around = around.rpartition(".")[0]
    return True


def _is_of_files(package: ModuleType) -> bool:
    if not issubclass(type(package), ModuleType):
        return False
    loader = getattr(own(package, "__spec__"), "loader", None)
    return type(loader) in (SourceFileLoader, SourcelessFileLoader)


def _has_file(package: ModuleType, around: str, name: str) -> bool:
    places = own(package, "__path__")
    if type(places) is list and all(type(each) is str for each in places):
        return _is_found(tuple(places), around, name)
    # A plain module has nothing below it; of what else there is anything may come.
    return places is not MISSING


# One search for all the patches of a module, each time that somebody asks.
@lru_cache(maxsize=256)
def _is_found(places: tuple[str, ...], around: str, name: str) -> bool:
    search: Sequence[str] | None = places
    for part in name[len(around) + 1 :].split("."):
        if search is None:
            return False
        around = f"{around}.{part}"
        spec = PathFinder.find_spec(around, search)
        if spec is None:
            return False
        search = spec.submodule_search_locations
    return True
