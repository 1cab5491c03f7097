"""The folder in which a collector keeps everything; for nobody but its owner."""

from __future__ import annotations

import os
import secrets
import sqlite3
import stat
from typing import TYPE_CHECKING, Final

from chaukas.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ("DataFolder", "DataFolderError")

_SECRET_BYTES: Final = 32


_OURS: Final = frozenset({"events.sqlite", "keys.json", "keys.lock"})
"""Files by one of which a collector's folder is known."""


class DataFolderError(Exception):
    """The folder cannot be used; the text says what to do."""


class DataFolder:
    """
    The files of one collector.

    Args:
        path: Of the folder; it is made, with mode 0700, if it is not there.

    Raises:
        DataFolderError: It cannot be made, something in it is a link, or it is another
            program's: its mode would be changed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.events = path / "events.sqlite"
        self.keys = path / "keys.json"
        self.administration = path / "administration.jsonl"
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            files = list(path.iterdir())
            names = {file.name for file in files}
            if names and not names & _OURS:
                text = f"{path} holds other things: give an empty folder, or a new one."
                raise DataFolderError(text)
            for file in (path.resolve(), *files):
                _check(file, is_folder=file.name not in names)
            path.chmod(0o700)
        except OSError as error:
            text = f"{path} cannot be used: {error.strerror}. Give another --data."
            raise DataFolderError(text) from None

    def prepare(self) -> None:
        """
        Make the file of the events, readable by its owner alone.

        SQLite gives the files beside it the same mode.

        Raises:
            DataFolderError: The disk does not let us.
        """
        flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            os.close(os.open(self.events, flags, 0o600))
            self.events.chmod(0o600)
        except OSError as error:
            text = f"{self.events} cannot be opened: {error.strerror}."
            raise DataFolderError(text) from None

    def store(
        self,
        *,
        has_words: bool,
        noted: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> SqliteStore:
        """
        Return the store of the events; for the arguments see `SqliteStore`.

        Raises:
            DataFolderError: The file is damaged, or cannot be written; it is left as
                it is.
        """
        try:
            return SqliteStore(self.events, has_words=has_words, noted=noted)
        except sqlite3.OperationalError as error:
            text = f"{self.events} cannot be used now: {error}."
            raise DataFolderError(text) from None
        except sqlite3.DatabaseError as error:
            text = (
                f"{self.events} is damaged: {error}. It is left as it is: see what can"
                " be read with `chaukas collector recover FILE`, or restore a copy."
            )
            raise DataFolderError(text) from None

    def secret(self) -> bytes:
        """Return what signs this collector's page tokens; made when first asked for."""
        path = self.path / "secret"
        try:
            found = path.read_bytes()
        except FileNotFoundError:
            found = b""
        # Of a full disk an empty one is left, with which anybody could sign.
        if len(found) == _SECRET_BYTES:
            return found
        flags = os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW
        made = secrets.token_bytes(_SECRET_BYTES)
        fresh = path.with_suffix(".new")
        try:
            with os.fdopen(os.open(fresh, flags, 0o600), "wb") as file:
                file.write(made)
            fresh.replace(path)
        except OSError as error:
            text = f"{path} cannot be written: {error.strerror}."
            raise DataFolderError(text) from None
        return made


def _check(path: Path, *, is_folder: bool) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        # One of SQLite's, which a collector that runs has just taken away.
        return
    if found.st_uid != os.geteuid():
        text = f"{path} belongs to another user, who could change what is kept there."
        advice = (
            "Run this as that user, or give another --data."
            if is_folder
            else "Give it to the owner of the folder."
        )
        raise DataFolderError(f"{text} {advice}")
    if not is_folder and not stat.S_ISREG(found.st_mode):
        text = f"{path} is a link, or no file: a collector writes to files of its own."
        raise DataFolderError(text)
