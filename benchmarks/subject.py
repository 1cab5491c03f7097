"""
What is measured: chaukas behind its public functions, or nothing at all.

The benchmarks go through the public functions only, so that they measure what a
user gets and survive any rewrite of the inside.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = (
    "FLUSH_TIMEOUT_S",
    "PublicFunctions",
    "events_in",
    "public_functions",
    "recording",
)

FLUSH_TIMEOUT_S = 30.0

_SYSTEM = b'"EVENT_TYPE_SYSTEM"'


class PublicFunctions(Protocol):
    """The part of `chaukas.sdk` that the benchmarks use."""

    def enable_chaukas(self, *, output_file: str) -> object:
        """Start to record into a file."""

    def disable_chaukas(self) -> object:
        """Stop recording and undo every patch."""

    def flush(self, timeout: float) -> object:
        """Wait until everything captured is in the file, `timeout` in seconds."""

    def event(self, name: str, data: dict[str, Any]) -> object:
        """Record an event of the user's own."""


def public_functions() -> PublicFunctions:
    """
    Import `chaukas.sdk`.

    Raises:
        SystemExit: It is not installed, or not yet finished.
    """
    try:
        module = importlib.import_module("chaukas.sdk")
    except ImportError as error:
        sys.exit(
            f"benchmarks: cannot import chaukas.sdk ({error}): there is nothing to "
            "measure. Install it with: pip install -e . — or pass --without."
        )
    wanted = ("enable_chaukas", "disable_chaukas", "flush", "event")
    missing = [name for name in wanted if not hasattr(module, name)]
    if missing:
        sys.exit(
            f"benchmarks: chaukas.sdk lacks {', '.join(missing)}: it cannot be "
            "measured. Check which chaukas is imported — or pass --without."
        )
    return cast("PublicFunctions", module)


@contextmanager
def recording(chaukas: PublicFunctions, file: Path) -> Iterator[None]:
    """Record into a file for as long as the block lasts, then undo everything."""
    chaukas.enable_chaukas(output_file=str(file))
    try:
        yield
    finally:
        chaukas.flush(FLUSH_TIMEOUT_S)
        chaukas.disable_chaukas()


def events_in(file: Path) -> int:
    """
    Count the events that runs left in a file.

    SYSTEM events are left out: they belong to the process and not to a run.
    """
    if not file.exists():
        return 0
    with file.open("rb") as lines:
        return sum(_SYSTEM not in line for line in lines)
