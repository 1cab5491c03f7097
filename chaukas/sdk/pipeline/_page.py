"""
Counts that outlive the process, in a file mapped into memory.

A store of eight bytes by the thread that counts is all it takes, so whoever finds
the files of a killed process knows how many events it had taken and not yet written.
"""

from __future__ import annotations

import mmap
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["PAGE_BYTES", "Page", "Totals", "mark_told", "totals_of"]

PAGE_BYTES: Final = 1 << 20
"""Size of the file; sparse, so that only used parts of it take room."""

_MAGIC: Final = int.from_bytes(b"chaukas1", "little")
_TOLD_AT: Final = 8
_WORDS: Final = PAGE_BYTES // 8
# The first two words are the header; then pairs of words, the writer's first.
_FIRST: Final = 2
_PAIRS: Final = (_WORDS - _FIRST) // 2


class Totals(NamedTuple):
    """What a dead process had counted."""

    emitted: int
    """Events captured, dropped ones included."""
    dropped: int
    """Events of those that were given up before they reached a file."""
    is_told: bool
    """Whether another process has reported the difference already."""


class Page:
    """
    The mapped file of a living process: a pair of numbers for each thread.

    It is never unmapped by hand, since a thread of the host may be in `count` at
    any moment: the last reference does that.

    Args:
        fd: An open file of `PAGE_BYTES` bytes; it can be closed afterwards.

    Raises:
        OSError: The file cannot be mapped.
    """

    __slots__ = ("_map", "_words")

    def __init__(self, fd: int) -> None:
        self._map = mmap.mmap(fd, PAGE_BYTES)
        self._words = memoryview(self._map).cast("Q")
        self._words[0] = _MAGIC

    def count(self, place: int, emitted: int) -> None:
        """
        Keep how many events a thread emitted; it alone calls this for its place.

        Args:
            place: 0 for the writer, then one number for each thread.
            emitted: Events so far, dropped ones included.

        Beyond some 65,000 threads nothing is kept.
        """
        if place < _PAIRS:
            self._words[_FIRST + 2 * place] = emitted

    def lose(self, place: int, dropped: int) -> None:
        """Keep how many of its events a thread dropped, in the same way."""
        if place < _PAIRS:
            self._words[_FIRST + 2 * place + 1] = dropped

    def noted(self, place: int) -> tuple[int, int] | None:
        """Return what is kept for a thread, or None if there is no room for it."""
        if place >= _PAIRS:
            return None
        at = _FIRST + 2 * place
        return self._words[at], self._words[at + 1]


def totals_of(path: Path) -> Totals | None:
    """
    Return what the page of a dead process says, or None if it is no page.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(PAGE_BYTES)
    if len(data) < PAGE_BYTES:
        return None
    words = struct.unpack(f"={_WORDS}Q", data)
    if words[0] != _MAGIC:
        return None
    return Totals(sum(words[_FIRST::2]), sum(words[_FIRST + 1 :: 2]), bool(words[1]))


def mark_told(path: Path) -> None:
    """
    Note in the page of a dead process that its loss was reported.

    Raises:
        OSError: It cannot be written.
    """
    with path.open("r+b") as file:
        file.seek(_TOLD_AT)
        file.write((1).to_bytes(8, "little"))
