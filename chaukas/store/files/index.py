"""
An index of a source's files in the cache folder: a SQLite store that can be made again.

It is renewed from where it stopped, whoever stopped it; several processes may do
that at the same time. The record itself is only read.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sqlite3
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson

from chaukas.store.facts import Facts, event_of, facts_of
from chaukas.store.sqlite import SqliteStore
from chaukas.store.sqlite.schema import NewerSchemaError

from .lines import STDIN, UnreadableError, head_of, pieces_of, size_of
from .place import Found, files_of, total_bytes, writer_count

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .lines import Piece

__all__ = ("Index", "Progress", "cache_folder")

_TAIL_BYTES: Final = 4096
_KEPT_S: Final = 30 * 86_400
_SCHEMA_WORD: Final = "index-2"
"""Part of an index's name: another word for another way of reading events."""
_COUNTS: Final = ("events", "skipped", "repeated", "conflicts")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far reading has come."""

    done_bytes: int
    total_bytes: int
    events: int
    """New events, so far; likewise the rest."""
    skipped_lines: int = 0
    repeated: int = 0
    conflicts: int = 0


@dataclass(slots=True)
class _Mark:
    """How far one file has been read before."""

    path: str
    done: int
    tail: bytes
    is_whole: bool
    """Of a packed file: it was read to its end."""


def cache_folder() -> Path:
    """
    Return the folder for indexes, closed to other users; made if it is not there.

    Raises:
        OSError: It cannot be made, or belongs to somebody else.
    """
    home = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(home) if Path(home).is_absolute() else Path.home() / ".cache"
    folder = base / "chaukas"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    if status.st_uid != os.geteuid():
        raise PermissionError(f"{folder} belongs to another user")
    if status.st_mode & 0o077:
        folder.chmod(0o700)
    return folder


class Index:
    """
    The store of a source, renewed on demand.

    Args:
        source: Paths of files and folders; `-` alone is the standard input.
        folder: Where the index is kept; the cache folder if left out.

    Raises:
        UnreadableError: The source is not there, or holds nothing of the kind.
    """

    def __init__(self, source: Sequence[Path], folder: Path | None = None) -> None:
        self.source = tuple(source)
        self._temporary: str | None = None
        self._has_looked = False
        self._done_bytes = 0
        self._counts = dict.fromkeys(_COUNTS, 0)
        files_of(self.source)
        path = self._path(folder)
        try:
            self.store = SqliteStore(path, is_durable=False)
        except (sqlite3.DatabaseError, NewerSchemaError):
            # It is only an index: a damaged one is made again.
            _remove(path)
            self.store = SqliteStore(path, is_durable=False)
        self.path = path

    def _path(self, folder: Path | None) -> Path:
        if any(str(path) == STDIN for path in self.source):
            return self._temporary_folder() / "index.db"
        if folder is None:
            try:
                folder = cache_folder()
            except OSError:
                # A home that cannot be written to is no reason not to answer.
                return self._temporary_folder() / "index.db"
        _remove_old(folder)
        names = [str(Path(path).absolute()) for path in self.source]
        key = orjson.dumps([_SCHEMA_WORD, *names])
        return folder / f"{hashlib.sha256(key).hexdigest()[:24]}.db"

    def _temporary_folder(self) -> Path:
        self._temporary = tempfile.mkdtemp(prefix="chaukas-")
        return Path(self._temporary)

    def close(self) -> None:
        """Close the store; an index that was temporary is removed."""
        self.store.close()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def refresh(
        self, on_progress: Callable[[Progress], None] | None = None
    ) -> Progress:
        """
        Read what is new in the files.

        At the first time an index whose files are gone or were replaced is made
        anew, so that it holds what the record holds. Later what is gone stays, so
        that whoever follows sees each event once.

        Args:
            on_progress: Called after each piece of some megabytes.

        Raises:
            UnreadableError: A file is damaged; what was read before it is kept.
        """
        found = files_of(self.source)
        heads = {path: _fingerprint(path) for path in found.files}
        marks = self._marks()
        if not self._has_looked and self._is_other(heads, marks):
            self.store.reset()
            marks = {}
        self._has_looked = True
        self._counts = dict.fromkeys(_COUNTS, 0)
        total = total_bytes(found)
        self._done_bytes = 0
        for path, head in heads.items():
            if head:
                self._read(path, head, marks.get(head), total, on_progress)
            self._done_bytes += size_of(path) if str(path) != STDIN else 0
        self._note_live(found)
        return self._progress(total)

    def _is_other(self, heads: dict[Path, str], marks: dict[str, _Mark]) -> bool:
        """Return whether what was read before is not all in the files any more."""
        if marks.keys() - set(heads.values()):
            return True
        return any(
            head in marks and not _holds(path, marks[head])
            for path, head in heads.items()
        )

    def _read(
        self,
        path: Path,
        head: str,
        mark: _Mark | None,
        total: int,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        start = mark.done if mark else 0
        is_again = mark is not None and not _holds(path, mark)
        if is_again:
            start = 0
        packed = path.suffix == ".gz"
        if mark and packed and mark.is_whole:
            # A packed file does not grow.
            return
        if mark and not packed and size_of(path) <= start:
            return
        before, size = self._done_bytes, size_of(path)
        for piece in pieces_of(path, start):
            self._take(path, head, piece, is_again=is_again)
            # Of a packed file it is not known how much is left.
            share = min(piece.end, size)
            self._done_bytes = before + share
            if on_progress is not None:
                on_progress(self._progress(total))
        self._done_bytes = before
        if packed or (mark and mark.path != str(path)):
            self._rename(path, head, is_whole=packed)

    def _take(self, path: Path, head: str, piece: Piece, *, is_again: bool) -> None:
        facts, skipped = _facts_in(piece.data)
        with self.store.transaction() as sql:
            row = sql.execute("SELECT done FROM source WHERE head = ?", (head,))
            (done,) = row.fetchone() or (0,)
            if not is_again and done > piece.start:
                # Another process was here first; perhaps not with all of it.
                if done >= piece.end:
                    return
                facts, skipped = _facts_in(piece.data[done - piece.start :])
            fresh, repeated, conflicts = self.store.add(facts)
            sql.execute(
                "INSERT OR REPLACE INTO source (head, path, done, tail)"
                " VALUES (?, ?, ?, ?)",
                (head, str(path), piece.end, piece.data[-_TAIL_BYTES:]),
            )
            counts = {
                "events": fresh,
                "skipped": skipped + piece.skipped,
                "repeated": repeated,
                "conflicts": len(conflicts),
            }
            sql.executemany(
                "INSERT INTO fact VALUES (?, ?) ON CONFLICT DO UPDATE"
                " SET value = value + excluded.value",
                [(name, number) for name, number in counts.items() if number],
            )
        for name, number in counts.items():
            self._counts[name] += number

    def _rename(self, path: Path, head: str, *, is_whole: bool) -> None:
        with self.store.transaction() as sql:
            sql.execute(
                "UPDATE source SET path = ?, is_whole = ? WHERE head = ?",
                (str(path), is_whole, head),
            )

    def _marks(self) -> dict[str, _Mark]:
        with self.store.transaction() as sql:
            rows = sql.execute(
                "SELECT head, path, done, tail, is_whole FROM source"
            ).fetchall()
        return {head: _Mark(*rest) for head, *rest in rows}

    def counts(self) -> dict[str, int]:
        """Return how many events, skipped lines, repeated events and conflicts."""
        with self.store.transaction() as sql:
            rows = dict(sql.execute("SELECT name, value FROM fact").fetchall())
        return {name: int(rows.get(name, 0)) for name in _COUNTS}

    def _progress(self, total: int) -> Progress:
        counts = self._counts
        return Progress(
            min(self._done_bytes, total),
            total,
            counts["events"],
            counts["skipped"],
            counts["repeated"],
            counts["conflicts"],
        )

    def _note_live(self, found: Found) -> None:
        """Find out which streams still grow: the latest ones, one for each writer."""
        writers = writer_count(found)
        with self.store.transaction() as sql:
            rows = sql.execute(
                "SELECT stream FROM stream WHERE stream NOT IN"
                " (SELECT stream FROM stream_end) GROUP BY stream"
                " ORDER BY max(last) DESC LIMIT ?",
                (writers,),
            ).fetchall()
        self.store.set_live(frozenset(stream for (stream,) in rows))


def _facts_in(data: bytes) -> tuple[list[Facts], int]:
    """Return what the lines of a piece hold, and how many hold no event."""
    facts = []
    skipped = 0
    for line in data.split(b"\n"):
        if not line or line.isspace():
            continue
        event = event_of(line)
        if event is None:
            skipped += 1
        else:
            facts.append(facts_of(event, line))
    return facts, skipped


def _fingerprint(path: Path) -> str:
    if str(path) == STDIN:
        return STDIN
    try:
        head = head_of(path)
    except UnreadableError:
        # It was renamed just now; the next look finds it.
        if not path.exists():
            return ""
        raise
    return hashlib.sha256(head).hexdigest() if head else ""


def _holds(path: Path, mark: _Mark) -> bool:
    """Return whether a file still holds what was read of it, as far as its end says."""
    if path.suffix == ".gz":
        return True
    try:
        with path.open("rb") as file:
            file.seek(max(0, mark.done - len(mark.tail)))
            return file.read(len(mark.tail)) == mark.tail
    except OSError:
        return False


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(OSError):
            Path(f"{path}{suffix}").unlink()


def _remove_old(folder: Path) -> None:
    """Remove indexes that nobody has used for a month."""
    limit = time.time() - _KEPT_S
    with contextlib.suppress(OSError):
        for path in folder.glob("*.db"):
            if path.stat().st_mtime < limit:
                _remove(path)
