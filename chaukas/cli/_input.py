"""
Files of events, as the commands read them.

A rotated file may be compressed, and the pieces of a rotation belong together:
both are settled here, so that no command has to know.
"""

from __future__ import annotations

import gzip
import zlib
from bisect import bisect_left
from typing import TYPE_CHECKING, Any, cast

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

__all__ = ("UNREADABLE", "Lines", "event_in", "oldest_first", "reason_of")

UNREADABLE = (OSError, EOFError, zlib.error)
"""What reading a file may raise; the latter two from a damaged archive."""


class Lines:
    """The lines of several files, one after the other."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files
        self._ends: list[int] = []

    def __iter__(self) -> Iterator[bytes]:
        """Yield the lines; raises one of `UNREADABLE` as the file does."""
        self._ends = []
        count = 0
        for path in self._files:
            with _open(path) as file:
                for line in file:
                    count += 1
                    yield line
            self._ends.append(count)

    def place(self, number: int) -> str:
        """Return `file:line` of line `number`, counted from 1 over all files read."""
        at = bisect_left(self._ends, number)
        start = self._ends[at - 1] if at else 0
        return f"{self._files[at]}:{number - start}"


def event_in(line: bytes) -> dict[str, Any] | None:
    """Return the event that stands in a line; None when there is none."""
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return event if type(event) is dict else None


def oldest_first(files: Sequence[Path]) -> list[Path]:
    """
    Return the files in the order of their first events.

    A shell lists `events.jsonl events.jsonl.1 events.jsonl.2`, which is the
    newest first; a chain is to be read the other way round.
    """
    return sorted(files, key=_first_time)


def reason_of(error: Exception) -> str:
    """Return why a file could not be read, for people."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _first_time(path: Path) -> str:
    with _open(path) as file:
        for line in file:
            event = event_in(line)
            if event is not None:
                time = event.get("timestamp")
                return time if type(time) is str else ""
    return ""


def _open(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return cast("BinaryIO", gzip.open(path, "rb"))
    return path.open("rb")
