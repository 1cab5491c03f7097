"""
What every integration is: named, installed once, undone, and able to tell its state.

The runtime knows integrations by this shape alone.
"""

from __future__ import annotations

import re
import sys
from abc import ABC, abstractmethod
from functools import cache
from importlib import metadata
from operator import attrgetter
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from chaukas.sdk.patching import MonkeyPatcher
from chaukas.sdk.system.introspect import MISSING, own

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chaukas.sdk.config import Config
    from chaukas.sdk.patching import Patch
    from chaukas.sdk.record.recorder import Recorder
    from chaukas.sdk.record.sessions import SessionBook

__all__ = ["BaseIntegrationWrapper", "Host", "Part", "version_of"]


class Host(Protocol):
    """What the runtime offers an integration; read anew at each use."""

    @property
    def recorder(self) -> Recorder:
        """Recorder of this process; another one after a fork."""
        ...

    @property
    def sessions(self) -> SessionBook:
        """Sessions of this process."""
        ...

    @property
    def config(self) -> Config:
        """Settings in force."""
        ...

    @property
    def data_access_tools(self) -> frozenset[str]:
        """Names of tools declared as retrieval."""
        ...


class Part:
    """
    A part of an integration: wrappers that record to the same host.

    Args:
        host: Where to record.
    """

    def __init__(self, host: Host) -> None:
        self._host = host

    if TYPE_CHECKING:
        _recorder: Recorder
    else:
        # The host's of now, read in C: every wrapper asks for it several times.
        _recorder = property(attrgetter("_host.recorder"))


class BaseIntegrationWrapper(ABC):
    """
    One framework and its patches.

    Args:
        host: Where to record.
    """

    name: ClassVar[str]
    """Name in configuration and in `metadata.framework`."""
    packages: ClassVar[tuple[str, ...]]
    """Distributions whose versions the SYSTEM event tells."""
    landmarks: ClassVar[tuple[str, ...]] = ()
    """Names, as `module:name`, by which the framework is told from another package
    that happens to be called like it."""

    def __init__(self, host: Host) -> None:
        """Prepare; nothing is touched before `install`."""
        self.host = host
        self.patcher = MonkeyPatcher(self._install_substitutes)

    @property
    def event_builder(self) -> Recorder:
        """What makes and records events; another one after a fork."""
        return self.host.recorder

    @abstractmethod
    def patches(self) -> Sequence[Patch]:
        """Return the patches that this integration wants."""

    def is_target_present(self) -> bool:
        """Tell whether what is loaded is the framework, importing nothing."""
        return all(map(_is_loaded, self.landmarks))

    def install(self) -> None:
        """Install every patch; what a release lacks is noted, never raised."""
        self._install_patches()

    def _install_patches(self) -> None:
        # Made once: to make them takes as long as to install some.
        patches = self.patches()
        with self.patcher.installing():
            for patch in patches:
                self._install(patch, patches)

    def _install_substitutes(self, missing: Patch) -> None:
        patches = self.patches()
        for patch in patches:
            if patch.instead_of == missing.target:
                self._install(patch, patches)

    def _install(self, patch: Patch, patches: Sequence[Patch]) -> None:
        """Install a patch that this release has, unless what it stands in for is."""
        first = patch.instead_of
        if _is_of_release(patch) and (not first or self._lacks(first, patches)):
            self.patcher.install(patch)

    def _lacks(self, target: str, patches: Sequence[Patch]) -> bool:
        """Tell whether *target* is not there, and its turn had come."""
        patch = next((each for each in patches if each.target == target), None)
        if patch is None or _is_of_release(patch):
            return self.patcher.outcome_of(target) == "missing"
        return not patch.instead_of or self._lacks(patch.instead_of, patches)

    def renew(self) -> None:
        """Put in force again what is not any more, and what was not there before."""
        self.patcher.renew()
        self._install_patches()

    def uninstall(self) -> None:
        """Put every original back."""
        self.patcher.undo_all()

    def missing(self) -> set[str]:
        """Return the targets that are missed: not there, and nothing in their place."""
        outcomes = self.patcher.outcomes
        missed = {name for name, outcome in outcomes.items() if outcome == "missing"}
        for patch in self.patches():
            if patch.optional or patch.instead_of:
                missed.discard(patch.target)
            if outcomes.get(patch.target) in ("active", "waiting"):
                missed.discard(patch.instead_of)
        return missed

    def state(self) -> Mapping[str, Any]:
        """Return what the SYSTEM event says: versions and hook points."""
        missing = self.missing()
        by_outcome: dict[str, list[str]] = {}
        for target, outcome in self.patcher.outcomes.items():
            if outcome != "missing" or target in missing:
                by_outcome.setdefault(outcome, []).append(target)
        return {
            "versions": {name: version_of(name) for name in self.packages},
            "hooks": {name: sorted(found) for name, found in by_outcome.items()},
        }


def _is_loaded(landmark: str) -> bool:
    module_name, _, name = landmark.partition(":")
    module = sys.modules.get(module_name)
    if not issubclass(type(module), ModuleType):
        return False
    return own(module, name) is not MISSING


def _is_of_release(patch: Patch) -> bool:
    """Tell whether the installed release is one that has the target of *patch*."""
    if not patch.package:
        return True
    release = _numbers_of(version_of(patch.package))
    least, most = _numbers_of(patch.min_version), _numbers_of(patch.max_version)
    if not release:
        # Not installed as a distribution: a look at the target says more.
        return True
    return least <= release and (not most or release[: len(most)] <= most)


def _numbers_of(version: str) -> tuple[int, ...]:
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()


def version_of(distribution: str) -> str:
    """Return the installed version of *distribution*, or an empty text."""
    try:
        return _found_version(distribution)
    except metadata.PackageNotFoundError:
        return ""


# Reading it takes milliseconds, and what is loaded stays of one version. That it is
# not installed is not kept.
_found_version = cache(metadata.version)
