"""Copies a store while it is in use; the copy is whole or is not there."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ("NoRoomError", "copy_store", "size_of_store")

_PAGES: Final = 2000
_SPARE_BYTES: Final = 64 << 20


class NoRoomError(OSError):
    """The disk has no room for a copy; the text says how much is needed."""


def size_of_store(path: Path) -> int:
    """Return the bytes of a store with its log."""
    files = (path, path.with_name(path.name + "-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


def copy_store(
    source: Path, target: Path, noted: Callable[[int, int], None], share: float = 1.0
) -> None:
    """
    Copy what is committed at one moment.

    Args:
        source: The store's file; others may write to it meanwhile.
        target: Of the copy; one that is there is replaced once the new one is whole.
        noted: Is told how many pages are done, and how many there are.
        share: Of the store's size that must be free on the disk.

    Raises:
        NoRoomError: It is not.
        OSError, sqlite3.DatabaseError: It cannot be written.
    """
    needed = int(size_of_store(source) * share) + _SPARE_BYTES
    free = shutil.disk_usage(target.parent).free
    if free < needed:
        raise NoRoomError(
            f"{target.parent} has {free >> 20:,} MiB free, and {needed >> 20:,} MiB are"
            " needed for a copy: make room, or move the folder"
        )
    passing = target.with_name(f"{target.name}.partial")
    # Of a process that was killed.
    passing.unlink(missing_ok=True)
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
    os.close(os.open(passing, flags, 0o600))
    try:
        _copy(source, passing, noted)
        passing.replace(target)
    except BaseException:
        passing.unlink(missing_ok=True)
        raise


def _copy(source: Path, target: Path, noted: Callable[[int, int], None]) -> None:
    def progress(_status: int, left: int, pages: int) -> None:
        noted(pages - left, pages)

    with (
        closing(sqlite3.connect(source)) as old,
        closing(sqlite3.connect(target)) as new,
    ):
        # Within one reading, for the writer's sake: a copy in pieces would begin anew
        # with each commit. Readers never block the writer.
        old.execute("BEGIN")
        old.execute("SELECT count(*) FROM sqlite_master").fetchone()
        old.backup(new, pages=_PAGES, progress=progress)
