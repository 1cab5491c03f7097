"""Patches that stand in for one another, whatever the framework."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from chaukas.sdk.integrations.base import BaseIntegrationWrapper
from chaukas.sdk.patching import Patch

if TYPE_CHECKING:
    from collections.abc import Sequence

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
