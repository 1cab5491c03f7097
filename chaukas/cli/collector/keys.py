"""`chaukas collector key`: make, list and revoke API keys."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from chaukas.cli.output import say, say_json, time_of
from chaukas.collector.access.keys import SCOPES, Key, KeyFile, KeyFileError
from chaukas.collector.folder import DataFolder, DataFolderError
from chaukas.collector.upkeep.administration import record

from .options import DAYS, Amount, data_option, end

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ("create", "key", "list_", "revoke")

_DAY_S = 86_400.0
_ID_CHARS = 256
"""Of an id in an event; a key for a longer one would fit none."""


@click.group()
def key() -> None:
    """Make, list and revoke the keys of clients."""


def _folder(data: Path) -> DataFolder:
    try:
        return DataFolder(data)
    except DataFolderError as error:
        end(str(error))


@key.command()
@data_option
@click.option("--tenant", required=True, help="Whose events; * for all.")
@click.option("--project", default="", help="The only one it sends to; default: all.")
@click.option(
    "--scope",
    "given",
    multiple=True,
    default=("ingest",),
    show_default=True,
    help="ingest, read or admin; several with commas, or one after the other.",
)
@click.option("--days", type=DAYS, help="Until it expires.")
@click.option("--events-per-second", type=Amount(min=1, max=1e12))
@click.option("--bytes-per-second", type=Amount(min=1024, max=1e15))
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def create(
    *,
    data: Path,
    tenant: str,
    project: str,
    given: tuple[str, ...],
    days: float | None,
    events_per_second: float | None,
    bytes_per_second: float | None,
    as_json: bool,
) -> None:
    """
    Make a key and print it: it is shown only now, and kept as a hash.

    From the first key on, every client of this collector needs one.
    """
    named = ",".join(given)
    scopes = [*dict.fromkeys(filter(None, map(str.strip, named.split(","))))]
    wrong = [one for one in scopes if one not in SCOPES]
    if wrong or not scopes:
        end(f"--scope {named!r}: there are {', '.join(SCOPES)}.")
    for name, value in (("--tenant", tenant), ("--project", project)):
        if not value.isprintable() or len(value) > _ID_CHARS:
            end(f"{name}: an id has {_ID_CHARS} characters at most, on one line.")
    if not tenant:
        end("--tenant: whose events they are must be said.")
    folder = _folder(data)
    try:
        text, made = KeyFile(folder.keys).create(
            tenant,
            project,
            scopes,
            expires_s=None if days is None else time.time() + days * _DAY_S,
            events_per_s=events_per_second,
            bytes_per_s=bytes_per_second,
        )
    except KeyFileError as error:
        end(str(error))
    except OSError as error:
        end(f"{folder.keys} cannot be written: {error.strerror}; no key was made.")
    try:
        record(folder.administration, "key_created", **_shown(made))
    except OSError as error:
        KeyFile(folder.keys).revoke(made.id)
        end(f"{folder.administration} cannot be written: {error.strerror}; no key.")
    if as_json:
        say_json({"key": text, **_shown(made)})
    else:
        say(text)


@key.command("list")
@data_option
@click.option("--json", "as_json", is_flag=True, help="JSON, one object a line.")
def list_(*, data: Path, as_json: bool) -> None:
    """List the keys; never the keys themselves."""
    try:
        keys = KeyFile(_folder(data).keys).all()
    except KeyFileError as error:
        end(str(error))
    for one in keys:
        if as_json:
            say_json(_shown(one))
        else:
            facts = _shown(one)
            project = f"/{one.project}" if one.project else ""
            scopes = ",".join(one.scopes)
            at = time_of(one.created_s)
            say(f"{one.id}  {facts['state']:8}  {one.tenant}{project}  {scopes}  {at}")


@key.command()
@click.argument("key_id")
@data_option
def revoke(*, key_id: str, data: Path) -> None:
    """
    Make a key invalid; a running collector refuses it within a second.

    KEY_ID is what `key list` shows: the middle part of the key. Exit code 1: there is
    no such key.
    """
    folder = _folder(data)
    try:
        found = KeyFile(folder.keys).revoke(key_id)
    except KeyFileError as error:
        end(str(error))
    except OSError as error:
        why = error.strerror
        end(f"{folder.keys} cannot be written: {why}; the key is valid as before.")
    if found is None:
        end(f"no key {key_id!r}: `chaukas collector key list` shows all.", 1)
    try:
        record(folder.administration, "key_revoked", **_shown(found))
    except OSError as error:
        # It must end all the same.
        why = error.strerror
        end(f"key {found.id} is revoked, and not on record: {why}.")
    say(f"Key {found.id} of {found.tenant} is revoked.")


def _shown(one: Key) -> dict[str, object]:
    now_s = time.time()
    state = "valid" if one.is_valid(now_s) else "expired"
    return {
        "id": one.id,
        "state": "revoked" if one.revoked_s is not None else state,
        "tenant": one.tenant,
        "project": one.project,
        "scopes": one.scopes,
        "created": time_of(one.created_s),
        "expires": None if one.expires_s is None else time_of(one.expires_s),
    }
