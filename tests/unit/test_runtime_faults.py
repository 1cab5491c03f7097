"""
Starting, importing and stopping work for the host whatever fails inside chaukas.

These three run outside of any recorded run, so no guard of an integration is around
them: an error there would end the program's start, its import, or its shutdown.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from chaukas.sdk import _runtime
from chaukas.sdk.config import load
from chaukas.sdk.integrations import Known
from chaukas.sdk.integrations.base import BaseIntegrationWrapper
from chaukas.sdk.patching import Patch
from chaukas.sdk.sinks.memory import MemorySink

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class Idle(BaseIntegrationWrapper):
    """An integration that patches nothing."""

    name = "made_up"
    packages = ()

    def patches(self) -> Sequence[Patch]:
        return ()


class Hooked(BaseIntegrationWrapper):
    """An integration that is disabled in the middle of its installation."""

    name = "hooked"
    packages = ()

    def patches(self) -> Sequence[Patch]:
        _runtime.stop("disabled")
        return (Patch("chaukas_hooked:ask", lambda *_: "recorded"),)


def _fail(*_args: Any, **_kwargs: Any) -> Any:
    raise RuntimeError("a bug of ours")


@pytest.fixture(autouse=True)
def _as_in_production(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("CHAUKAS_RAISE_INTERNAL", raising=False)
    yield
    if _runtime.active() is not None:
        monkeypatch.undo()
        _runtime.stop("disabled")


def _made() -> _runtime.Runtime:
    config = load({"integrations": []}, None, {}).config
    return _runtime.Runtime(config, MemorySink)


@pytest.mark.parametrize("name", ["state", "system"])
def test_enabling_survives_what_it_cannot_tell(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_runtime.Runtime, name, _fail)
    assert _runtime.start(_made())
    assert _runtime.active() is not None


def test_an_import_that_chaukas_waited_for_succeeds_though_chaukas_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "chaukas_made_up.py").write_text("ANSWER = 42\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    runtime = _made()
    assert _runtime.start(runtime)
    known = Known("made_up", "chaukas_made_up", f"{__name__}:Idle")
    monkeypatch.setattr(runtime, "config", load({}, None, {}).config)
    _runtime._attach_or_wait(runtime, known)
    monkeypatch.setattr(_runtime.Runtime, "system", _fail)
    try:
        assert importlib.import_module("chaukas_made_up").ANSWER == 42
    finally:
        sys.modules.pop("chaukas_made_up", None)


def test_disabling_while_an_import_is_hooked_leaves_no_patch(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "chaukas_hooked.py").write_text("def ask(): return 42\n")
    monkeypatch.syspath_prepend(tmp_path)
    runtime = _made()
    assert _runtime.start(runtime)
    known = Known("hooked", "chaukas_hooked", f"{__name__}:Hooked")
    monkeypatch.setattr(runtime, "config", load({}, None, {}).config)
    _runtime._attach_or_wait(runtime, known)
    try:
        assert importlib.import_module("chaukas_hooked").ask() == 42
    finally:
        sys.modules.pop("chaukas_hooked", None)
    assert _runtime.active() is None


def test_disabling_while_patches_are_mended_leaves_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made_up = ModuleType("chaukas_hooked")
    made_up.ask = lambda: 42  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "chaukas_hooked", made_up)
    runtime = _made()
    assert _runtime.start(runtime)
    runtime.integrations.append(Hooked(runtime))
    _runtime.mend()
    assert made_up.ask() == 42
    assert _runtime.active() is None


def test_disabling_that_fails_says_so_and_raises_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert _runtime.start(_made())
    monkeypatch.setattr(_runtime.Runtime, "close", _fail)
    assert _runtime.stop("disabled") is False
    assert _runtime.active() is None


def test_a_step_of_closing_that_fails_leaves_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runtime = _made()
    assert _runtime.start(runtime)
    runtime.system("before", "an event that must be stored")
    monkeypatch.setattr(type(runtime.sessions), "end_all", _fail)
    assert _runtime.stop("disabled") is True
    assert runtime.pipeline.stats().queued == 0
