"""Waits for a condition instead of a time."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["python_threads", "until"]


_DEADLINE_S = 100.0
"""Only for what never comes: a busy machine starts a program in ten seconds."""


def until(condition: Callable[[], bool]) -> None:
    """Return once the condition holds; fail the test if it never does."""
    end_s = time.monotonic() + _DEADLINE_S
    while not condition():
        assert time.monotonic() < end_s, "the condition did not come true in time"
        time.sleep(0.002)


def python_threads() -> int:
    """
    Return how many threads run Python here, those that `threading` does not know too.

    Not those of the system: libraries such as gRPC start and end theirs when they like.
    """
    return len(sys._current_frames())
