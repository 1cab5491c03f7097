"""
Where the files of a source are, and which of their writers live.

A source is what a person names: a file with what its rotation set aside, a folder,
a spool.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .lines import STDIN, UnreadableError, size_of

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = (
    "LABELS_SUFFIX",
    "Found",
    "files_of",
    "is_address",
    "labels_file_of",
    "total_bytes",
    "writer_count",
)

LABELS_SUFFIX: Final = ".labels.jsonl"
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}://")
_EVENTS: Final = re.compile(r".+\.(jsonl|ndjson)(\.gz)?")
_SEGMENT: Final = re.compile(r"\d{20}\.seg")
_LOCK_NAME: Final = "lock"
_KEYS: Final = "keys.json"
_OF_COLLECTOR: Final = "administration.jsonl"
_LOCKS: Final = Path("/proc/locks")
_LOCK: Final = re.compile(
    r"\d+: FLOCK\s+ADVISORY\s+\w+\s+(-?\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) "
)
_FRESH_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Found:
    """The files of a source at one moment."""

    files: tuple[Path, ...]
    """With events, the oldest first as far as names tell."""
    locked: tuple[Path, ...]
    """On which each writer that lives has a lock."""


def is_address(text: str) -> bool:
    """Return whether a text names something in the network, and no file."""
    return _ADDRESS.match(text) is not None


def files_of(source: Sequence[Path]) -> Found:
    """
    Return the files that a source consists of now.

    Raises:
        UnreadableError: A file or folder is not there, or holds nothing of the kind.
    """
    files: list[Path] = []
    locked: list[Path] = []
    for path in source:
        if str(path) != STDIN and path.is_dir():
            found = _in_folder(path)
            files += found.files
            locked += found.locked
        else:
            files += _with_rotations(path)
            locked.append(path)
    return Found(tuple(dict.fromkeys(files)), tuple(dict.fromkeys(locked)))


def labels_file_of(source: Sequence[Path]) -> Path:
    """Return the file beside a record in which labels and notes are kept."""
    path = source[0]
    if path.is_dir():
        return path / f"chaukas{LABELS_SUFFIX}"
    stem = path.name.removesuffix(".gz").removesuffix(".jsonl")
    return path.with_name(stem + LABELS_SUFFIX)


def writer_count(found: Found) -> int:
    """
    Return how many processes write to the files of a source.

    The locks of writers show it, which are looked at and not taken. Where the
    system does not list locks, one counts as alive that wrote in the last minute.
    """
    try:
        locks = _LOCKS.read_text(encoding="ascii", errors="replace")
    except OSError:
        newest = max((_changed_s(path) for path in found.locked), default=0.0)
        return int(time.time() - newest < _FRESH_S)
    wanted = {_inode(path) for path in found.locked} - {None}
    holders = {
        pid
        for pid, major, minor, inode in _LOCK.findall(locks)
        if (int(major, 16), int(minor, 16), int(inode)) in wanted
    }
    return len(holders)


def _with_rotations(path: Path) -> list[Path]:
    if str(path) == STDIN:
        return [path]
    suffix = ".gz" if path.suffix == ".gz" else ""
    base = path.with_name(path.name.removesuffix(suffix))
    pattern = re.compile(
        rf"{re.escape(base.stem)}\.\d{{8}}T\d{{12}}Z{re.escape(base.suffix)}(\.gz)?"
    )
    try:
        names = sorted(entry.name for entry in path.absolute().parent.iterdir())
    except OSError:
        names = []
    aside = [path.with_name(name) for name in names if pattern.fullmatch(name)]
    if not aside and not path.exists():
        remedy = "Name the file or folder that chaukas writes to."
        raise UnreadableError(path, "there is no such file or folder", remedy)
    present = [path] if path.exists() else []
    labels = labels_file_of([path])
    return _unpacked([*aside, *present, *([labels] if labels.exists() else [])])


def _in_folder(folder: Path) -> Found:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise UnreadableError(folder, error.strerror or "it cannot be read") from None
    # Of a collector that has taken nothing yet: what its administrators did.
    not_events = _OF_COLLECTOR if _KEYS in {path.name for path in entries} else ""
    files = [
        path
        for path in entries
        if _EVENTS.fullmatch(path.name) and path.name != not_events
    ]
    locked = list(files)
    segments = [path for path in entries if _SEGMENT.fullmatch(path.name)]
    if segments or (folder / _LOCK_NAME).exists():
        files += segments
        locked.append(folder / _LOCK_NAME)
    for inner in entries:
        if inner.is_symlink() or not inner.is_dir():
            continue
        parts = sorted(p for p in _names(inner) if _SEGMENT.fullmatch(p.name))
        if parts:
            files += parts
            locked.append(inner / _LOCK_NAME)
    if not files:
        remedy = "Name a folder with files *.jsonl or *.jsonl.gz, or a spool."
        raise UnreadableError(folder, "no events are in this folder", remedy)
    return Found(tuple(_unpacked(files)), tuple(locked))


def _names(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _unpacked(files: list[Path]) -> list[Path]:
    """Leave packed files out whose unpacked ones are there: they are being packed."""
    plain = set(files)
    return [
        path
        for path in files
        if path.suffix != ".gz" or path.with_suffix("") not in plain
    ]


def _inode(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return os.major(status.st_dev), os.minor(status.st_dev), status.st_ino


def _changed_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def total_bytes(found: Found) -> int:
    """Return the size of all files on the disk in bytes."""
    return sum(size_of(path) for path in found.files)
