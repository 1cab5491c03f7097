"""`chaukas collector check | backup | retain | erase`: the store, kept in order."""

from __future__ import annotations

import sqlite3
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaukas.cli.bars import progress
from chaukas.cli.output import count, say
from chaukas.collector.folder import DataFolder, DataFolderError
from chaukas.collector.upkeep.administration import anchor, record
from chaukas.collector.upkeep.verification import findings_of
from chaukas.store.protocol import Retention
from chaukas.store.sqlite import SqliteStore
from chaukas.store.sqlite.copying import NoRoomError, copy_store

from .options import DAYS, MEGABYTES, data_option, end, on_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chaukas.store.protocol import Removal

__all__ = ("COMMANDS", "backup", "check", "erase", "retain", "say_findings")

_WRONG = 1
_MOST = 100
_DAY_US = 86_400_000_000


def _folder(data: Path) -> DataFolder:
    try:
        folder = DataFolder(data)
    except DataFolderError as error:
        end(str(error))
    if not folder.events.exists():
        end(f"{data} holds no events: name the collector's folder with --data.")
    return folder


@contextmanager
def _store(folder: DataFolder) -> Iterator[SqliteStore]:
    try:
        with closing(SqliteStore(folder.events)) as store:
            yield store
    except (OSError, sqlite3.DatabaseError) as error:
        end(f"{folder.events} cannot be changed: {error}.")


@click.command()
@data_option
def check(*, data: Path) -> None:
    """
    Look for events that were altered, taken out or moved, and for damage.

    Of the store and of the record of its administration; the collector may run
    meanwhile. What was removed on record is told, and is no problem.

    Exit code 0: all is well. 1: something is wrong, one line each.
    """
    folder = _folder(data)
    sys.exit(say_findings(folder.events, folder.administration))


def say_findings(events: Path, record: Path) -> int:
    """Check a store, say what is found, and return the exit code."""
    number = 0
    shown = []
    try:
        with progress("Checking") as noted:
            for finding in findings_of(events, record, noted):
                number += finding.is_problem
                if number <= _MOST:
                    shown.append(finding.text)
    except sqlite3.DatabaseError as error:
        number += 1
        shown.append(f"the file is damaged: {error}")
    for text in shown:
        say(text)
    if number:
        say(f"{count(number, 'problem')} in {events}.")
        if any("damaged" in text for text in shown):
            say("`chaukas collector recover FILE` copies all that can be read.")
        return _WRONG
    say(f"{events}: no event is altered, missing or moved.")
    return 0


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@data_option
def backup(*, target: Path, data: Path) -> None:
    """
    Copy all events to the file TARGET, while the collector runs.

    The copy is a store: put it in place of events.sqlite to restore it.
    """
    folder = _folder(data)
    if target.exists():
        end(f"{target} is there already: name a file that is not.")
    try:
        with progress("Copying") as noted:
            copy_store(folder.events, target, noted)
    except NoRoomError as error:
        end(f"{error}.")
    except (OSError, sqlite3.DatabaseError) as error:
        end(f"{target} cannot be written: {error}.")
    try:
        record(folder.administration, "backup_made", target=str(target))
    except OSError as error:
        why = f"{folder.administration} cannot be written: {error.strerror}"
        end(f"{target} is made, and not on record: {why}.")
    say(f"Copied to {target}.")


@click.command()
@data_option
@click.option("--days", type=DAYS, help="Keep so many days.")
@click.option("--megabytes", type=MEGABYTES, help="Keep so much of each.")
@click.option("--tenant", default="", help="Of this tenant only.")
def retain(
    *, data: Path, days: float | None, megabytes: float | None, tenant: str
) -> None:
    """
    Remove the oldest events for good; run it daily.

    The collector may run meanwhile.
    """
    if days is None and megabytes is None:
        end("give --days or --megabytes: what is to be kept.")
    folder = _folder(data)
    now_us = time.time_ns() // 1000
    policy = Retention(
        None if days is None else now_us - int(days * _DAY_US),
        None if megabytes is None else int(megabytes * 1e6),
        tenant,
    )
    facts: dict[str, object] = {"days": days, "megabytes": megabytes, "tenant": tenant}
    recorded = _recorder(folder, "retention_applied", facts)
    with _store(folder) as store, progress("Removing") as noted:
        removed = store.retain(policy, recorded, noted)
    anchor(folder.administration)
    say(f"{count(removed, 'event')} removed.")


@click.command()
@data_option
@click.option("--tenant", required=True, help="Whose events.")
@click.option("--session", default="", help="All events of this session.")
@click.option("--user", default="", help="All sessions and runs of this end user.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def erase(*, data: Path, tenant: str, session: str, user: str, yes: bool) -> None:
    """
    Remove a session, or all of a user, for good; nothing of it is left in the file.

    Copies that were made before still hold it. That it was done is kept on record,
    with the id that was given. Exit code 1: there is nothing of the kind.
    """
    if bool(session) == bool(user):
        end("give either --session or --user.")
    folder = _folder(data)
    what = {"session": session} if session else {"user": user}
    if not yes:
        question = f"Remove {next(iter(what))} {session or user!r} of {tenant!r}?"
        click.confirm(question, abort=True)
    recorded = _recorder(folder, "erased", {"tenant": tenant, **what})
    with _store(folder) as store, progress("Removing") as noted:
        removed = store.erase(
            tenant, session=session, user=user, recorded=recorded, noted=noted
        )
    anchor(folder.administration)
    if not removed:
        end("nothing was removed: no event of that kind is here.", _WRONG)
    say(f"{count(removed, 'event')} removed.")


def _recorder(
    folder: DataFolder, action: str, facts: dict[str, object]
) -> Callable[[Removal], None]:
    """Return what puts a removal on record before it is made."""

    def recorded(removal: Removal) -> None:
        on_record(
            folder,
            action,
            removal=removal.number,
            events=removal.events,
            digest=removal.digest,
            **facts,
        )

    return recorded


COMMANDS = (check, backup, retain, erase)
"""To be added to `chaukas collector`."""
