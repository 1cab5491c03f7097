"""The bar of what takes longer than a second: on a terminal, and nowhere else."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, TypeAlias

import pytest

from chaukas.cli import bars

if TYPE_CHECKING:
    from collections.abc import Callable


Show: TypeAlias = "Callable[..., str]"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Show:
    """Do most of what takes so many seconds, and return what shows."""

    def show(screen: io.StringIO, duration_s: float, label: str = "Copying") -> str:
        now_s = 100.0
        # Whatever terminal the tests are run on.
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setattr(bars.sys, "stderr", screen)
        monkeypatch.setattr(bars.time, "monotonic", lambda: now_s)
        with bars.progress(label) as noted:
            now_s += duration_s
            noted(1, 4)
            noted(3, 4)
        return screen.getvalue()

    return show


def test_what_takes_longer_than_a_second_shows_how_far_it_is(
    shown: Show,
) -> None:
    text = shown(Terminal(), 1.5)
    assert "Copying" in text
    assert "75%" in text


@pytest.mark.parametrize(("screen", "duration_s"), [(Terminal, 0.5), (io.StringIO, 9)])
def test_what_is_short_or_on_no_terminal_shows_nothing(
    shown: Show,
    screen: type[io.StringIO],
    duration_s: float,
) -> None:
    assert shown(screen(), duration_s) == ""


def test_a_process_without_a_standard_error_shows_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bars.sys, "stderr", None)
    with bars.progress("Copying") as noted:
        noted(1, 1)


def test_a_label_steers_no_terminal_and_is_no_markup(shown: Show) -> None:
    text = shown(Terminal(), 1.5, "[red]a\x1b]0;title\x07b")
    assert "[red]a\\x1b]0;title\\x07b" in text
