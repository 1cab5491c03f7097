"""Counts what is called of chaukas in a block; needs no framework."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

__all__ = ("Calls", "counted")

_PACKAGE = "/chaukas/sdk/"
_OWN_THREADS = "chaukas"
_MEETING = (
    "pipeline/bounded_queue.py:_is_full",
    "pipeline/bounded_queue.py:held_bytes",
    "pipeline/gil.py:",
)
"""With these a thread that adds an event meets the writer, awake or asleep."""


@dataclass(slots=True)
class Calls:
    """What was called on the thread that counts, or on those of the application."""

    python: Counter[str] = field(default_factory=Counter)
    """Functions of chaukas by file and name."""
    c_count: int = 0
    """Calls of functions written in C, made by these."""

    def own(self) -> int:
        """Return how many calls of Python are the same however the writer runs."""
        return self.python.total() - self.meeting()

    def meeting(self) -> int:
        """Return how many the writer decides, which runs as the system lets it."""
        return sum(n for name, n in self.python.items() if name.startswith(_MEETING))


@contextmanager
def counted(*, in_new_threads: bool = False) -> Iterator[Calls]:
    """
    Yield what is called of chaukas in a block, once it is over.

    Args:
        in_new_threads: Also on threads that begin meanwhile, except for chaukas' own.
    """
    calls = Calls()

    def note(frame: FrameType, event: str, _argument: Any) -> None:
        file = frame.f_code.co_filename
        if _PACKAGE not in file:
            return
        if threading.current_thread().name.startswith(_OWN_THREADS):
            return
        if event == "call":
            calls.python[f"{file.partition(_PACKAGE)[2]}:{frame.f_code.co_name}"] += 1
        elif event == "c_call":
            calls.c_count += 1

    if in_new_threads:
        threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield calls
    finally:
        sys.setprofile(None)
        if in_new_threads:
            threading.setprofile(None)
