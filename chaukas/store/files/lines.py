"""
Opens files of events, and reads them in pieces of whole lines.

What is no such file is named and refused, before it can take memory or time without
end; nothing here is ever written.
"""

from __future__ import annotations

import gzip
import io
import os
import stat
import sys
import zlib
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from chaukas.store.facts import event_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = (
    "BLANK_BYTES",
    "LINE_BYTES",
    "STDIN",
    "Piece",
    "UnreadableError",
    "head_of",
    "opened",
    "pieces_of",
    "reason_of",
    "size_of",
)

STDIN: Final = "-"
LINE_BYTES: Final = 16 * 1024 * 1024
"""No event is a tenth as long."""
BLANK_BYTES: Final = 256 * 1024
"""Blank lines in a row; more of them are an archive made to keep us busy."""
_PIECE_BYTES: Final = 4 * 1024 * 1024
_GZIP: Final = b"\x1f\x8b"


class UnreadableError(Exception):
    """A file cannot be read; the text names it, says why, and what to do."""

    def __init__(self, path: Path, reason: str, remedy: str = "") -> None:
        remedy = remedy or "Give a file of events, such as chaukas_events.jsonl."
        super().__init__(f"cannot read {str(path)!r}: {reason}. {remedy}")


@dataclass(frozen=True, slots=True)
class Piece:
    """Some whole lines of a file."""

    start: int
    """Where they begin, in bytes, unpacked."""
    data: bytes
    """They, with their line breaks."""
    skipped: int
    """Lines before them that are too long for an event."""

    @property
    def end(self) -> int:
        """Where they end, in bytes, unpacked."""
        return self.start + len(self.data)


def reason_of(error: Exception) -> str:
    """Return why a file could not be read, for people."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def head_of(path: Path) -> bytes:
    """
    Return the first line of a file that is not blank; empty while there is none.

    By it a file is known again that was renamed or packed meanwhile.

    Raises:
        UnreadableError: It is none, or is damaged.
    """
    try:
        with opened(path) as file:
            line, blank_bytes = b"\n", 0
            while line.isspace() and blank_bytes < BLANK_BYTES:
                line = file.readline(LINE_BYTES)
                blank_bytes += len(line)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableError(path, reason_of(error)) from None
    is_whole = line.endswith(b"\n") or event_of(line) is not None
    return line.rstrip(b"\r\n") if is_whole else b""


def size_of(path: Path) -> int:
    """Return the size of a file on the disk in bytes; 0 if it is gone."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def pieces_of(path: Path, start: int = 0) -> Iterator[Piece]:
    """
    Yield the whole lines of a file from a place on, in pieces of some megabytes.

    A last line without a line break is left for later, since somebody may be writing
    it, unless it is an event as it stands.

    Raises:
        UnreadableError: It is none, or is damaged.
    """
    try:
        with opened(path) as file:
            if start and file.seek(start) != start:
                return
            yield from _pieces(file, start)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableError(path, reason_of(error)) from None


def _pieces(file: BinaryIO, start: int) -> Iterator[Piece]:
    rest, skipped = b"", 0
    is_inside = False
    while data := file.read(_PIECE_BYTES):
        head, found, tail = data.rpartition(b"\n")
        if is_inside and found:
            # The end of a line whose beginning was given up.
            first, _, head_rest = data.partition(b"\n")
            start += len(rest) + len(first) + 1
            rest, is_inside = b"", False
            head, found, tail = head_rest.rpartition(b"\n")
        if found:
            whole = rest + head + found
            yield Piece(start, whole, skipped)
            start += len(whole)
            rest, skipped = tail, 0
        elif is_inside:
            start += len(data)
        else:
            rest += tail
        if len(rest) > LINE_BYTES:
            start += len(rest)
            rest, is_inside = b"", True
            skipped += 1
    if rest and event_of(rest) is not None:
        yield Piece(start, rest, skipped)


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """
    Open a file, unpacked if need be; never one that could keep us waiting.

    Raises:
        UnreadableError: It is a folder, a pipe or a device.
        OSError: It cannot be opened.
    """
    with ExitStack() as stack:
        if str(path) == STDIN:
            file = _stdin(path)
            # It is not ours to close.
            stack.callback(file.detach)
        else:
            # With it a pipe that nobody writes to does not block.
            fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
            _refuse_all_but_files(path, fd)
            file = stack.enter_context(os.fdopen(fd, "rb"))
        if path.suffix == ".gz" or file.peek(2)[:2] == _GZIP:
            yield cast("BinaryIO", stack.enter_context(gzip.GzipFile(fileobj=file)))
        else:
            yield file


def _stdin(path: Path) -> io.BufferedReader:
    if sys.stdin is None:
        raise UnreadableError(path, "the standard input is closed")
    # In a test it may be any binary stream; all of them can be read into.
    raw = cast("io.RawIOBase", sys.stdin.buffer)
    return io.BufferedReader(raw)


def _refuse_all_but_files(path: Path, fd: int) -> None:
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        return
    os.close(fd)
    if stat.S_ISDIR(mode):
        raise UnreadableError(path, "it is a folder", "Name the files in it.")
    reason = "it is a pipe or a device, and no file"
    raise UnreadableError(path, reason, "Give - to read the standard input.")
