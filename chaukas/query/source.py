"""A source of events: opened, read in the background or not, and asked."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from chaukas.sdk._version import VERSION
from chaukas.store.files.index import Index
from chaukas.store.files.lines import UnreadableError

from .answers import Status
from .query import Query

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chaukas.store.files.index import Progress

__all__ = ("Source", "open_source")


class Source:
    """
    Files, a folder or a spool, behind an index.

    Args:
        paths: What a person named.
        cache: Folder of the index; the cache folder if left out.

    Raises:
        UnreadableError: It is not there, or holds nothing of the kind.
    """

    def __init__(self, paths: Sequence[Path], cache: Path | None = None) -> None:
        self.paths = tuple(paths)
        self._index = Index(self.paths, cache)
        self._lock = threading.Lock()
        self._progress: Progress | None = None
        self._state = "reading"
        self._problem = ""

    @property
    def name(self) -> str:
        """What the source is called, for people."""
        return ", ".join(str(path) for path in self.paths)

    def read(self, progress: Callable[[Progress], None] | None = None) -> Progress:
        """
        Read what is new; from any thread, one at a time.

        Raises:
            UnreadableError: A file is damaged; what was read before it can be asked.
        """

        def note(now: Progress) -> None:
            self._progress = now
            if progress is not None:
                progress(now)

        with self._lock:
            try:
                done = self._index.refresh(note)
            except UnreadableError as error:
                self._state, self._problem = "failed", str(error)
                raise
            self._progress, self._state, self._problem = done, "ready", ""
            return done

    def status(self) -> Status:
        """Return how far reading is; from any thread, at any time."""
        progress = self._progress
        counts = self._index.counts()
        return Status(
            source=self.name,
            state=self._state,  # type: ignore[arg-type]
            done_bytes=progress.done_bytes if progress else 0,
            total_bytes=progress.total_bytes if progress else 0,
            events=counts["events"],
            skipped_lines=counts["skipped"],
            repeated=counts["repeated"],
            conflicts=counts["conflicts"],
            problem=self._problem,
            version=VERSION,
        )

    def query(self, tenant: str | None = None) -> Query:
        """Return what can be asked; for one thread, to be closed by its user."""
        return Query(self._index.store.reader(tenant), self.status)

    @property
    def index_path(self) -> Path:
        """The SQLite file, for those who bring their own SQL; not to be written to."""
        return self._index.path

    def close(self) -> None:
        """Close the index."""
        self._index.close()


def open_source(
    paths: Path | str | Sequence[Path | str], cache: Path | None = None
) -> Source:
    """
    Return a source; nothing is read yet.

    Args:
        paths: Of files, folders and spools; `-` alone is the standard input.
        cache: Folder of the index; the cache folder if left out.

    Raises:
        UnreadableError: It is not there, or holds nothing of the kind.
    """
    one_or_more = [paths] if isinstance(paths, (str, Path)) else list(paths)
    return Source([Path(path) for path in one_or_more], cache)
