"""`chaukas collector recover`: what can be read of a damaged store, in a new one."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import click

from chaukas.cli.output import count, say
from chaukas.collector.folder import DataFolder, DataFolderError
from chaukas.collector.upkeep.administration import append
from chaukas.collector.upkeep.recover import recover as recover_events

from .options import data_option, end

__all__ = ("recover",)


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@data_option
def recover(*, target: Path, data: Path) -> None:
    """
    Copy all events that can still be read of a damaged store to the file TARGET.

    The collector must not run. The damaged file is not changed. TARGET is a store:
    put it in place of events.sqlite, without the files events.sqlite-wal and
    events.sqlite-shm of the old one.

    Exit code 1: some events could not be read; one line says how many.
    """
    try:
        folder = DataFolder(data)
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
        os.close(os.open(target, flags, 0o600))
    except DataFolderError as error:
        end(str(error))
    except OSError as error:
        end(
            f"{target} cannot be made: {error.strerror}. Name a file that is not there."
        )
    try:
        # The damaged file stays as it is: nothing is noted in it.
        append(folder.administration, "recovered", target=str(target))
    except OSError as error:
        target.unlink()
        end(f"{folder.administration} cannot be written: {error}; nothing was done.")
    try:
        found = recover_events(folder.events, target)
    except sqlite3.DatabaseError as error:
        target.unlink()
        end(
            f"nothing of {folder.events} can be read: {error}. Restore a copy of"
            " `chaukas collector backup`, or try the command .recover of sqlite3."
        )
    say(f"{count(found.events, 'event')} copied to {target}.")
    if found.unreadable:
        end(f"{count(found.unreadable, 'event')} could not be read.", 1)
