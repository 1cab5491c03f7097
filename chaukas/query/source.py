"""A source of events: opened, read in the background or not, and asked."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from chaukas.sdk._version import VERSION
from chaukas.store.files.index import Index
from chaukas.store.files.lines import UnreadableError
from chaukas.store.files.place import is_address

from .answers import Status
from .labels import write_label
from .query import Query
from .remote.failures import CollectorError
from .stored import StoredSource, followed, store_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from chaukas.store.answers import EventRow, Label
    from chaukas.store.files.index import Progress

    from .labels import NewLabel
    from .questions import OpenedRecord

__all__ = ("Source", "is_of_files", "open_source")


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

    @property
    def whose(self) -> str:
        """Nobody's in particular: the owner of files sees all."""
        return ""

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

    def follow(
        self,
        number: int,
        filter: str = "",
        trouble: Callable[[str], None] = lambda _line: None,
    ) -> Iterator[list[EventRow]]:
        """
        Yield whole events as they are written, over rotations; see `OpenedRecord`.

        Args:
            number: Of the event after which to begin.
            filter: Which events.
            trouble: Is told nothing: a file that is gone may come back.
        """
        del trouble
        return followed(self.query(), number, filter, self._renew)

    def _renew(self) -> None:
        # In the midst of a rotation; the next look finds the file.
        with suppress(UnreadableError):
            self.read()

    def label(self, new: NewLabel, now_ns: int) -> Label:
        """Write a label beside the record; see `write_label`."""
        return write_label(self.paths, new, now_ns)

    @property
    def index_path(self) -> Path:
        """The SQLite file, for those who bring their own SQL; not to be written to."""
        return self._index.path

    def close(self) -> None:
        """Close the index."""
        self._index.close()


def is_of_files(named: Sequence[Path | str]) -> bool:
    """Return whether a source is of files of events, and of no collector."""
    return not any(is_address(str(one)) or store_in(Path(one)) for one in named)


def open_source(
    paths: Path | str | Sequence[Path | str], cache: Path | None = None
) -> OpenedRecord:
    """
    Return a source; nothing is read yet.

    Args:
        paths: Of files, folders and spools; `-` alone is the standard input. Or the
            address of one collector, as a text; its key and TLS settings are those
            of the environment, as for what is sent there. Or a collector's folder, or
            a copy of its store.
        cache: Folder of the index; the cache folder if left out.

    Raises:
        UnreadableError: It is not there, or holds nothing of the kind.
    """
    one_or_more = [paths] if isinstance(paths, (str, Path)) else list(paths)
    named = [str(path) for path in one_or_more]
    if is_of_files(one_or_more):
        return Source([Path(path) for path in one_or_more], cache)
    if len(named) > 1:
        text = "one collector is asked at a time, and no files beside it."
        raise CollectorError(text)
    if not is_address(named[0]):
        path = Path(named[0])
        return StoredSource(path, store_in(path) or path)
    # Loading what speaks HTTP takes longer than reading most files.
    from .remote.source import CollectorSource

    return CollectorSource(named[0])
