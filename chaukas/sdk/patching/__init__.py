"""
Put wrappers on functions of other packages, and take them off without a trace.

It is a floor of its own because patching has traps (binding, identity, subclasses not
yet born, modules not yet imported) that no integration should have to know.

Whatever a program can ask of a function (identity by way of the class, signature, kind,
documentation, pickle, copy) answers as before while a patch is active. What is left to
see: the type of a patched function, and one frame of ours in a traceback for each
patched function that an exception passes. That frame stays, because to cut it out the
exception would have to be caught and changed, which is the host's alone to do.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from types import FunctionType, MappingProxyType, ModuleType
from typing import Any, Literal, cast

import wrapt

from chaukas.sdk.system.internal_errors import report
from chaukas.sdk.system.introspect import (
    MISSING,
    Holder,
    is_class,
    looked_up,
    mro_of,
    own,
)

from . import reloads
from .awaited import in_place_of
from .modules import can_come
from .names import Names, namespaces_of
from .placed import (
    PlacedFunction,
    Switch,
    beneath,
    carries,
    family_of,
    is_abstract,
    is_most_derived,
    is_of,
    is_wrappable,
    placed_for,
    restore,
    silence_others,
    stripped,
    write,
)

__all__ = (
    "MonkeyPatcher",
    "Outcome",
    "Patch",
    "Wrap",
    "in_place_of",
    "is_most_derived",
)

Outcome = Literal["active", "missing", "waiting"]
"""What became of a patch: in force, without a target, or until an import."""

Wrap = Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], object]
"""`wrap(wrapped, instance, args, kwargs)`, for every kind of function alike."""


@dataclass(frozen=True, slots=True)
class Patch:
    """One function to wrap, and how."""

    target: str
    """`module:function` or `module:Class.method`."""
    wrap: Wrap
    """Called instead of the target, which it is given already bound. What it raises
    reaches the host, so guarding its own work is its duty. One that makes a coroutine
    is a coroutine function, or makes it by `in_place_of`."""
    emits: tuple[str, ...] = ()
    """Event types that it leads to, for the documents and the coverage test."""
    everywhere: bool = False
    """Also replace the function under every name by which a loaded module of the
    target's top package holds it. For functions of modules only."""
    subclasses: bool = False
    """Wrap the method in every class derived from `Class` that defines it, now or
    later. Declarations (abstract methods) are left alone."""
    optional: bool = False
    """That it is missing is no loss worth telling."""
    min_version: str = ""
    """First version of the target's package that has it."""
    max_version: str = ""
    """Last version that has it; `1.9` stands for all of its patches, like `1.9.3`."""
    package: str = ""
    """Distribution that these are versions of: the patch is left out with another.
    Without it they are for the documents only."""
    post_import: bool = False
    """Do not import the module; wait until the host does. It is missing at once where
    the package, loaded already, has no such module."""
    on_demand: bool = False
    """Wait until `install_rest` is called: nothing is in the way of calls before."""
    on_object: bool = False
    """The holder is an object of the module: patch what it holds itself, put there
    by somebody else, and leave alone what it has from its class."""
    instead_of: str = ""
    """Target that an earlier or later release has in its place: install this one
    only if that one is missing."""


@dataclass(slots=True)
class _Installation:
    """A patch in force."""

    patch: Patch
    switch: Switch
    name: str
    holders: list[Holder] = field(default_factory=list)
    bases: list[type] = field(default_factory=list)
    """Roots of the class walk; several if its module was loaded again. The classes
    below are no holders, since a reference from here would keep them alive."""
    top: str = ""
    """Package whose modules may hold the wrapper, for `everywhere`."""


_HOOK = "__init_subclass__"
# One lock for all patchers: an import may reach several of them at once. It is never
# held while foreign code runs, so it cannot take part in a deadlock with import locks.
_lock = threading.RLock()
# wrapt cannot forget a post-import hook, so there is one per module name and this says
# whom it serves. A name stands here exactly as long as wrapt's hook is pending.
_waiting: dict[str, list[tuple[MonkeyPatcher, Patch]]] = {}


def _renew_lock() -> None:
    # In a forked child the lock may be held by a thread that exists no more.
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


class MonkeyPatcher:
    """
    Install patches and undo them all, in any thread.

    `undo_all` puts back every original, the very object, wherever our wrapper is still
    outermost. Where someone has wrapped on top of it, theirs stays and ours only passes
    calls through; so does a bound method that was saved before.

    Args:
        on_missing: Called with a patch that was waited for, once its module came and
            had not its target.
    """

    def __init__(self, on_missing: Callable[[Patch], object] | None = None) -> None:
        """Start with nothing installed."""
        self._on_missing = on_missing
        self._installed: dict[Patch, _Installation] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._awaited: set[Patch] = set()
        self._is_demanded = False
        self._here = threading.local()
        self._births = Switch()
        # One object, so that it can be recognised where it is already in place.
        self._birth_wrap = self._born
        self._names: Names | None = None

    @property
    def outcomes(self) -> Mapping[str, Outcome]:
        """Return what became of each target, as of now."""
        found = ((target, self.outcome_of(target)) for target in tuple(self._outcomes))
        return MappingProxyType({key: value for key, value in found if value})

    def outcome_of(self, target: str) -> Outcome | None:
        """Return what became of *target*, as of now; None if it was not asked for."""
        outcome = self._outcomes.get(target)
        # Its package may have been loaded meanwhile, without such a module.
        if outcome == "waiting" and not can_come(target.partition(":")[0]):
            return "missing"
        return outcome

    def install(self, patch: Patch) -> Outcome:
        """
        Put *patch* in force; never raises.

        Returns:
            `active`, also if it already was; `missing` if the module cannot be
            imported or has no such function; `waiting` if its import is awaited, or
            the call of `install_rest`.
        """
        try:
            return self._install(patch)
        # A hook point that resists costs a detail of the record, never the host.
        except Exception as error:
            self._outcomes[patch.target] = "missing"
            report(f"install {patch.target}", error)
            return "missing"

    def install_rest(self) -> None:
        """Put in force what was to wait for this; never raises."""
        if self._is_demanded:
            return
        self._is_demanded = True
        with self.installing():
            for patch in tuple(self._awaited):
                if patch.on_demand:
                    self.install(patch)

    @contextlib.contextmanager
    def installing(self) -> Iterator[None]:
        """Look through the modules once for all patches installed in the block."""
        self._names = Names()
        try:
            yield
        finally:
            self._names = None

    def undo_all(self) -> None:
        """Take everything off again, the last first; never raises."""
        with _lock:
            installed = list(self._installed.values())
            births, self._births = self._births, Switch()
            self._installed.clear()
            self._outcomes.clear()
            self._awaited.clear()
            self._is_demanded = False
            _forget(self)
            reloads.unwatch(self.loaded_again)
            births.turn_off()
            for installation in reversed(installed):
                installation.switch.turn_off()
            for installation in reversed(installed):
                _undo(installation, births)
            _undo_names(installed)

    def renew(self) -> None:
        """Put every patch in force again where it is not any more; never raises."""
        for name in {_module_of(patch) for patch in tuple(self._installed)}:
            module = sys.modules.get(name)
            if module is not None and issubclass(type(module), ModuleType):
                self.loaded_again(name, module)

    def loaded_again(self, name: str, module: ModuleType) -> None:
        """Patch what a module holds now, beside what it held before; never raises."""
        for patch in tuple(self._installed):
            if _module_of(patch) != name:
                continue
            try:
                with _lock:
                    installation = self._installed.get(patch)
                    holder = _holder_of(module, patch)
                    if installation is not None and holder is not None:
                        self._fill(installation, holder)
            # The host's import, or its call of enable, goes on.
            except Exception as error:
                report(f"install {patch.target}", error)

    def _install(self, patch: Patch) -> Outcome:
        module_name, _, path = patch.target.partition(":")
        if patch in self._installed:
            return "active"
        if patch.post_import and module_name not in sys.modules:
            if can_come(module_name):
                return self._wait(patch, module_name)
            self._outcomes[patch.target] = "missing"
            return "missing"
        # Before the lock is taken: an import runs foreign code.
        module = _imported(module_name, path)
        return self._place(patch, module)

    def _place(self, patch: Patch, module: ModuleType | None) -> Outcome:
        with _lock:
            outcome: Outcome = "missing"
            if patch in self._installed:
                outcome = "active"
            elif (holder := _holder_of(module, patch)) is not None:
                if patch.on_demand and not self._is_demanded:
                    self._awaited.add(patch)
                    outcome = "waiting"
                else:
                    outcome = self._put_in_force(patch, holder)
            self._outcomes[patch.target] = outcome
            return outcome

    def _put_in_force(self, patch: Patch, holder: Holder) -> Outcome:
        """Install all of a patch or, when anything fails, nothing of it."""
        name = patch.target.rpartition(".")[2].rpartition(":")[2]
        installation = _Installation(patch, Switch(), name)
        self._installed[patch] = installation
        done = False
        try:
            done = self._fill(installation, holder)
        finally:
            if not done:
                del self._installed[patch]
                installation.switch.turn_off()
                _undo(installation, None)
                _undo_names([installation])
        if done:
            reloads.watch(_module_of(patch), self.loaded_again)
        return "active" if done else "missing"

    def _fill(self, installation: _Installation, holder: Holder) -> bool:
        """Put the wrappers of one patch in their places; False: there are none."""
        patch, name = installation.patch, installation.name
        if patch.subclasses and is_class(holder):
            return self._walk(installation, holder)
        raw = looked_up(holder, name)
        if not is_wrappable(raw):
            return False
        placed = _put(holder, name, patch.wrap, installation.switch)
        if not any(each is holder for each in installation.holders):
            installation.holders.append(holder)
        if patch.everywhere and placed is not None and not is_class(holder):
            installation.top = patch.target.partition(":")[0].partition(".")[0]
            for namespace, key in self._names_of(raw, installation.top):
                if namespace.get(key) is raw:
                    namespace[key] = placed
        return True

    def _names_of(self, raw: object, top: str) -> Iterable[tuple[dict[str, Any], str]]:
        """Return under which names the loaded modules of a package hold a function."""
        if self._names is not None and type(raw) is FunctionType:
            return self._names.of(raw, top)
        return (
            (namespace, key)
            for namespace in namespaces_of(top)
            for key, value in namespace.copy().items()
            if value is raw
        )

    def _walk(self, installation: _Installation, base: type) -> bool:
        family = list(family_of(base))
        name = installation.name
        if all(own(cls, name) is MISSING for cls in (*family, *mro_of(base))):
            return False
        if not any(each is base for each in installation.bases):
            installation.bases.append(base)
        for cls in family:
            self._dress(installation, cls)
        return True

    def _dress(self, installation: _Installation, cls: type) -> None:
        """Wrap the method in one class, and see to the classes born of it."""
        raw = own(cls, installation.name)
        if is_wrappable(raw) and not is_abstract(raw):
            wrap = installation.patch.wrap
            _put(cls, installation.name, wrap, installation.switch)
        if own(cls, _HOOK) is not MISSING:
            _put(cls, _HOOK, self._birth_wrap, self._births)
        elif any(cls is base for base in installation.bases):
            relay = _relay_of(cls)
            wrap = self._birth_wrap
            placed = PlacedFunction(relay, wrap, self._births, inherited=True)
            write(cls, _HOOK, placed)

    def _born(
        self,
        wrapped: Callable[..., object],
        cls: type,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> object:
        """Run the host's `__init_subclass__`, then dress the new class."""
        # A chain of super() calls comes here once for each link. Only the outermost
        # sees the class as it leaves the host's hands.
        unborn: list[type] = self._here.__dict__.setdefault("unborn", [])
        if any(each is cls for each in unborn):
            return wrapped(*args, **kwargs)
        unborn.append(cls)
        try:
            result = wrapped(*args, **kwargs)
        finally:
            unborn.pop()
        self._welcome(cls)
        return result

    def _welcome(self, cls: type) -> None:
        """Dress a class that has just been defined."""
        try:
            with _lock:
                ancestors = mro_of(cls)
                for installation in tuple(self._installed.values()):
                    bases = installation.bases
                    if any(each is base for base in bases for each in ancestors):
                        self._dress(installation, cls)
        # The host is defining a class; that must work whatever happens here.
        except Exception as error:
            report("a class definition", error)

    def _wait(self, patch: Patch, module_name: str) -> Outcome:
        with _lock:
            self._outcomes[patch.target] = "waiting"
            self._awaited.add(patch)
            is_first = module_name not in _waiting
            entry = (self, patch)
            entries = _waiting.setdefault(module_name, [])
            if entry not in entries:
                entries.append(entry)
        if is_first:
            hook = functools.partial(_on_import, module_name)
            # Outside the lock: the hook runs at once if the module came meanwhile.
            wrapt.register_post_import_hook(hook, module_name)
        return self._outcomes.get(patch.target, "waiting")

    def arrive(self, patch: Patch, module: ModuleType) -> None:
        """Install a patch whose module has just been imported; never raises."""
        try:
            outcome: Outcome = "active"
            with _lock:
                if patch in self._awaited:
                    self._awaited.discard(patch)
                    outcome = self._place(patch, module)
            if outcome == "missing" and self._on_missing is not None:
                self._on_missing(patch)
        # Whatever it is, the host's import goes on.
        except Exception as error:
            report(f"install {patch.target}", error)


def _module_of(patch: Patch) -> str:
    return patch.target.partition(":")[0]


def _on_import(module_name: str, module: ModuleType) -> None:
    with _lock:
        entries = _waiting.pop(module_name, [])
    for patcher, patch in entries:
        patcher.arrive(patch, module)


def _forget(patcher: MonkeyPatcher) -> None:
    for entries in _waiting.values():
        entries[:] = [entry for entry in entries if entry[0] is not patcher]


def _imported(module_name: str, path: str) -> ModuleType | None:
    try:
        module = importlib.import_module(module_name)
        first = path.partition(".")[0]
        if issubclass(type(module), ModuleType) and own(module, first) is MISSING:
            # Lets a lazy module load itself; what it answers is read again, raw.
            getattr(module, first, None)
    # A module may fail to import in any way, and then it is not there.
    except Exception:
        return None
    return module if issubclass(type(module), ModuleType) else None


def _holder_of(
    module: ModuleType | None,
    patch: Patch,
) -> Holder | None:
    """Return what a target's last name belongs to: a module, a class, an object."""
    if module is None:
        return None
    holder: Holder = module
    for part in patch.target.partition(":")[2].split(".")[:-1]:
        found = looked_up(holder, part)
        if is_class(found) == patch.on_object or found is MISSING:
            return None
        holder = found
    return holder


def _put(
    holder: Holder,
    name: str,
    wrap: Wrap,
    switch: Switch,
) -> PlacedFunction | None:
    """Wrap one place, unless that wrap is already there."""
    raw = looked_up(holder, name)
    if carries(raw, wrap):
        return None
    silence_others(raw)
    below, inherited = beneath(raw)
    inherited = inherited or own(holder, name) is MISSING
    placed, standing = placed_for(below, wrap, switch, inherited=inherited)
    write(holder, name, standing)
    return placed


def _relay_of(base: type) -> Callable[..., Any]:
    """Make the `__init_subclass__` that *base* has not, which hands on to the next."""

    def relay(cls: type, /, **kwargs: object) -> None:
        # mypy does not see that *cls* is a class derived from *base*.
        super(base, cls).__init_subclass__(**kwargs)  # type: ignore[arg-type]

    relay.__name__ = relay.__qualname__ = _HOOK
    return cast("Callable[..., Any]", classmethod(relay))


def _undo(installation: _Installation, births: Switch | None) -> None:
    """Restore every place of one patch; its wrappers pass through already."""
    switch, name = installation.switch, installation.name
    try:
        for holder in installation.holders:
            restore(holder, name, switch)
        for cls in chain.from_iterable(map(family_of, installation.bases)):
            restore(cls, name, switch)
            if births is not None:
                restore(cls, _HOOK, births)
    # A place that cannot be restored must not keep the others from it.
    except Exception as error:
        report(f"undo {installation.patch.target}", error)


def _undo_names(installed: Sequence[_Installation]) -> None:
    """Restore the further names of patched functions, in one pass for all patches."""
    tops: dict[str, list[Switch]] = {}
    for each in installed:
        if each.top:
            tops.setdefault(each.top, []).append(each.switch)
    try:
        for top, switches in tops.items():
            for namespace in namespaces_of(top):
                for key, value in namespace.copy().items():
                    # The type is quick to tell, and that of nearly every value another.
                    kind = type(value)
                    if kind is not PlacedFunction and kind is not staticmethod:
                        continue
                    if any(is_of(value, one) for one in switches):
                        namespace[key] = stripped(value)
    # As above: this is within the host's call of disable.
    except Exception as error:
        report("undo the names of patches", error)
