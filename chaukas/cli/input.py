"""
Files of events, as the commands read them.

A rotated file may be compressed, and the pieces of a rotation belong together:
both are settled here, so that no command has to know. What is no such file is
named and refused, before it can take memory or time without end.
"""

from __future__ import annotations

import zlib
from bisect import bisect_left
from typing import TYPE_CHECKING, Any, Final

import orjson

from chaukas.sdk.integrity import is_event
from chaukas.store.files.lines import (
    BLANK_BYTES,
    LINE_BYTES,
    STDIN,
    UnreadableError,
    opened,
    reason_of,
)
from chaukas.store.files.place import LABELS_SUFFIX, files_of, writer_count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = (
    "Lines",
    "UnreadableError",
    "event_in",
    "files_in",
    "is_written",
    "oldest_first",
    "reason_of",
    "recorded_event_in",
)

_BOM: Final = b"\xef\xbb\xbf"
_BESIDE: Final = (".lock", ".tmp")
"""Endings of what a rotation keeps beside its files, and `events.jsonl*` names too."""


class Lines:
    """
    The lines of several files, one after the other.

    Args:
        files: Their paths; `-` is the standard input.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = files
        self._ends: list[int] = []
        self._blank: list[bool] = []
        self.blanks = 0
        """Lines without anything, so far."""

    def __iter__(self) -> Iterator[bytes]:
        """
        Yield the lines, none longer than 16 MiB.

        Raises:
            UnreadableError: A file is none, or is damaged.
        """
        self._ends, self._blank, self.blanks = [], [], 0
        count = 0
        for path in self.files:
            is_blank = True
            for line in _lines_of(path):
                count += 1
                if line.strip() in {b"", _BOM}:
                    self.blanks += 1
                else:
                    is_blank = False
                yield line
            self._ends.append(count)
            self._blank.append(is_blank)

    @property
    def empty(self) -> list[Path]:
        """The files that hold nothing but blanks, once all were read."""
        found = zip(self.files, self._blank, strict=False)
        return [path for path, is_blank in found if is_blank]

    def place(self, number: int) -> str:
        """Return `file:line` of line `number`, counted from 1 over all files read."""
        at = bisect_left(self._ends, number)
        start = self._ends[at - 1] if at else 0
        return f"{self.files[at]}:{number - start}"


def event_in(line: bytes) -> dict[str, Any] | None:
    """Return the JSON object that stands in a line; None when there is none."""
    text = line.strip().removeprefix(_BOM)
    if not text:
        return None
    try:
        event = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return event if type(event) is dict else None


def recorded_event_in(line: bytes) -> dict[str, Any] | None:
    """Return the event that stands in a line; None for any other JSON too."""
    event = event_in(line)
    return event if is_event(event) else None


def oldest_first(files: Sequence[Path]) -> list[Path]:
    """
    Return the files in the order of their first events.

    A shell lists `events.jsonl events.jsonl.1 events.jsonl.2`, which is the
    newest first; a chain is to be read the other way round. With the standard
    input among them, the order is the one given. Lock files and half-made
    archives of a rotation are left out, unless nothing else is given.

    Raises:
        UnreadableError: A file is none, or is damaged.
    """
    named = [path for path in files if not path.name.endswith(_BESIDE)] or files
    # Of a file whose process died while it was packed, both forms are there.
    plain = set(named)
    wanted = [
        path
        for path in dict.fromkeys(named)
        if path.suffix != ".gz" or path.with_suffix("") not in plain
    ]
    if len(wanted) < 2 or any(str(path) == STDIN for path in wanted):
        return wanted
    return sorted(wanted, key=_first_time)


def files_in(paths: Sequence[Path], *, with_labels: bool = False) -> list[Path]:
    """
    Return the files that are named, with what their rotation set aside.

    Args:
        paths: Of files, folders and spools; `-` is the standard input.
        with_labels: Whether the labels beside them are wanted, too.

    Raises:
        UnreadableError: One is not there, or a folder holds none.
    """
    found: list[Path] = []
    for path in paths:
        found += [
            one
            for one in files_of([path]).files
            if with_labels or one == path or not one.name.endswith(LABELS_SUFFIX)
        ]
    return found


def is_written(paths: Sequence[Path]) -> bool:
    """Return whether somebody still writes to what is named, as far as is known."""
    # Of the standard input nobody knows.
    return STDIN in map(str, paths) or writer_count(files_of(paths)) > 0


def _first_time(path: Path) -> str:
    for line in _lines_of(path):
        event = recorded_event_in(line)
        if event is not None:
            time = event.get("timestamp")
            return time if type(time) is str else ""
    return ""


def _lines_of(path: Path) -> Iterator[bytes]:
    try:
        with opened(path) as file:
            blank_bytes = 0
            while line := file.readline(LINE_BYTES + 1):
                if len(line) > LINE_BYTES:
                    reason = "it has a line of more than 16 MiB, which no event takes"
                    raise UnreadableError(path, reason)
                blank_bytes = 0 if line.strip() else blank_bytes + len(line)
                if blank_bytes > BLANK_BYTES:
                    raise UnreadableError(
                        path, "it has more than 256 KiB of blank lines"
                    )
                yield line
    # The latter two come from a damaged archive.
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableError(path, reason_of(error)) from None
