"""Patches that stand in for one another, whatever the framework."""

from __future__ import annotations

import importlib
import itertools
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from chaukas.sdk.integrations import base
from chaukas.sdk.integrations.base import BaseIntegrationWrapper
from chaukas.sdk.patching import Patch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_MODULE = "chaukas_test_framework"


@pytest.fixture
def framework(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType(_MODULE)
    monkeypatch.setitem(sys.modules, _MODULE, module)
    return module


def _wrapped(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
    return ["wrapped", wrapped(*args, **kwargs)]


def _work() -> str:
    return "done"


class _Integration(BaseIntegrationWrapper):
    name: ClassVar[str] = "framework"
    packages: ClassVar[tuple[str, ...]] = ()

    def patches(self) -> Sequence[Patch]:
        return (
            Patch(f"{_MODULE}:new", _wrapped),
            Patch(f"{_MODULE}:old", _wrapped, instead_of=f"{_MODULE}:new"),
            Patch(f"{_MODULE}:extra", _wrapped, optional=True),
        )


def _installed() -> _Integration:
    # Nothing is recorded, so that there is nothing to record into.
    integration = _Integration(None)  # type: ignore[arg-type]
    integration.install()
    return integration


def test_a_patch_is_left_out_where_the_one_that_it_stands_in_for_is_there(
    framework: ModuleType,
) -> None:
    framework.new = framework.old = _work
    integration = _installed()

    assert framework.new() == ["wrapped", "done"]
    assert framework.old() == "done"
    assert integration.state()["hooks"] == {"active": [f"{_MODULE}:new"]}
    integration.uninstall()
    assert framework.new is framework.old is _work


def test_a_patch_takes_the_place_of_a_missing_one(framework: ModuleType) -> None:
    framework.old = _work
    integration = _installed()

    assert framework.old() == ["wrapped", "done"]
    assert integration.state()["hooks"] == {"active": [f"{_MODULE}:old"]}
    integration.uninstall()


def test_only_what_nothing_stands_in_for_is_missed(framework: ModuleType) -> None:
    integration = _installed()

    assert integration.missing() == {f"{_MODULE}:new"}
    assert integration.state()["hooks"] == {"missing": [f"{_MODULE}:new"]}


# --- what a release has ------------------------------------------------------------


class _OfReleases(_Integration):
    wanted: ClassVar[tuple[Patch, ...]] = ()

    def patches(self) -> Sequence[Patch]:
        return self.wanted


def _with(*patches: Patch) -> _Integration:
    integration = _OfReleases(None)  # type: ignore[arg-type]
    # Of the object, so that no test leaves anything behind.
    vars(integration)["wanted"] = patches
    integration.install()
    return integration


def _dated(name: str, least: str = "", most: str = "", instead_of: str = "") -> Patch:
    return Patch(
        f"{_MODULE}:{name}",
        _wrapped,
        min_version=least,
        max_version=most,
        package="framework",
        instead_of=f"{_MODULE}:{instead_of}" if instead_of else "",
    )


@pytest.mark.parametrize(
    ("release", "least", "most", "is_there"),
    [
        ("2.9.0", "", "", True),
        ("2.9.0", "2.9", "", True),
        ("2.9.0", "2.10", "", False),
        ("2.10.1", "2.9", "", True),
        ("2.9.4", "", "2.9", True),
        ("2.9.4", "", "2.9.3", False),
        ("2.10.0", "", "2.9", False),
        ("2.9.0rc1", "2.9", "2.9", True),
        ("1.28", "1.10", "2.8", True),
        # Not a distribution, or none with a number.
        ("", "99", "", True),
        ("unknown", "", "0.1", True),
    ],
)
def test_a_patch_is_of_the_releases_that_it_names(
    framework: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    release: str,
    least: str,
    most: str,
    is_there: bool,
) -> None:
    monkeypatch.setattr(base, "version_of", {"framework": release}.get)
    framework.work = _work
    integration = _with(_dated("work", least, most))

    hooks = {"active": [f"{_MODULE}:work"]} if is_there else {}
    assert integration.state()["hooks"] == hooks
    assert integration.missing() == set()
    integration.uninstall()


@pytest.mark.parametrize(
    ("release", "active"), [("2.10", "third"), ("2.9", "second"), ("2.8", "first")]
)
def test_of_several_places_the_one_of_the_release_is_patched(
    framework: ModuleType, monkeypatch: pytest.MonkeyPatch, release: str, active: str
) -> None:
    monkeypatch.setattr(base, "version_of", {"framework": release}.get)
    framework.first = framework.second = framework.third = _work
    integration = _with(
        _dated("third", "2.10"),
        _dated("second", "2.9", "2.9", instead_of="third"),
        _dated("first", "", "2.8", instead_of="second"),
    )

    assert integration.state()["hooks"] == {"active": [f"{_MODULE}:{active}"]}
    integration.uninstall()


def test_a_substitute_of_a_place_that_had_no_turn_is_left_out(
    framework: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "version_of", {"framework": "2.10"}.get)
    framework.first = framework.third = _work
    integration = _with(
        _dated("third"),
        _dated("second", "", "2.9", instead_of="third"),
        _dated("first", instead_of="second"),
    )

    assert integration.state()["hooks"] == {"active": [f"{_MODULE}:third"]}
    integration.uninstall()


@pytest.fixture
def package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., str]]:
    """Give a function that writes a package, and loads its top."""
    monkeypatch.syspath_prepend(str(tmp_path))
    names: list[str] = []

    def write(**modules: str) -> str:
        name = f"chaukas_test_package_{next(_numbers)}"
        names.append(name)
        folder = tmp_path / name
        folder.mkdir()
        (folder / "__init__.py").write_text("")
        for module, text in modules.items():
            (folder / f"{module}.py").write_text(text)
        importlib.invalidate_caches()
        importlib.import_module(name)
        return name

    yield write
    for loaded in [n for n in sys.modules if n.partition(".")[0] in names]:
        del sys.modules[loaded]


_numbers = itertools.count()
_WORK = "def work(): return 'done'\n"


def _moved(name: str) -> tuple[Patch, Patch]:
    new = Patch(f"{name}.new:work", _wrapped, post_import=True)
    old = Patch(
        f"{name}.old:work", _wrapped, post_import=True, instead_of=f"{name}.new:work"
    )
    return new, old


def test_a_module_that_a_release_has_not_is_not_waited_for(
    package: Callable[..., str],
) -> None:
    name = package(old=_WORK)
    integration = _with(*_moved(name))

    assert integration.state()["hooks"] == {"waiting": [f"{name}.old:work"]}
    module = importlib.import_module(f"{name}.old")
    assert module.work() == ["wrapped", "done"]
    assert integration.state()["hooks"] == {"active": [f"{name}.old:work"]}
    assert integration.missing() == set()
    integration.uninstall()


def test_a_substitute_comes_once_the_module_came_without_its_function(
    package: Callable[..., str],
) -> None:
    name = package(old=_WORK, new="value = 1\n")
    integration = _with(*_moved(name))
    assert integration.state()["hooks"] == {"waiting": [f"{name}.new:work"]}

    old = importlib.import_module(f"{name}.old")
    assert old.work() == "done"
    importlib.import_module(f"{name}.new")

    assert old.work() == ["wrapped", "done"]
    assert integration.state()["hooks"] == {"active": [f"{name}.old:work"]}
    integration.uninstall()


def test_a_substitute_stays_away_where_the_module_has_its_function(
    package: Callable[..., str],
) -> None:
    name = package(old=_WORK, new=_WORK)
    integration = _with(*_moved(name))
    old, new = (importlib.import_module(f"{name}.{each}") for each in ("old", "new"))

    assert (old.work(), new.work()) == ("done", ["wrapped", "done"])
    assert integration.state()["hooks"] == {"active": [f"{name}.new:work"]}
    integration.uninstall()
