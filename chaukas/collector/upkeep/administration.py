"""
What was done to a collector by its administrators, on record and chained.

A file of events beside the store, in the form of every record: a check finds a line
that was altered, taken out or moved, and the store knows how many there are.
"""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import os
import sqlite3
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

import orjson

from chaukas.sdk.integrity import canonical, link, verify
from chaukas.sdk.system.ids import RandomIds
from chaukas.store.protocol import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ("Administration", "anchor", "append", "findings_of", "read", "record")

_STREAM: Final = "administration"
_TAIL_BYTES: Final = 64 << 10
_TEXT_CHARS: Final = 1000
"""So that the last action is within the tail."""


def record(path: Path, action: str, **facts: object) -> None:
    """
    Append one action, and note in the store beside it how long the record is now.

    Args:
        path: Of the file; it is made if it is not there.
        action: Such as `key_created`.
        **facts: What was done to what; no secrets. Of a text its first 1,000
            characters are kept.

    Raises:
        OSError: It cannot be written: then the action must not be done either.
    """
    append(path, action, **facts)
    anchor(path)


def append(path: Path, action: str, **facts: object) -> None:
    """Append one action, and leave the store as it is; otherwise as `record`."""
    flags = os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, 0o600), "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        seq, prev = _last(file)
        line, _ = link(canonical(_event(action, seq + 1, facts)), prev)
        if file.seek(0, os.SEEK_END) and not _ends_with_break(file):
            # Half a line, of a process that was killed: it stays one of its own.
            line = b"\n" + line
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def anchor(path: Path) -> None:
    """
    Note in the store what the record holds, so that none of it can be changed unseen.

    While a removal holds the store, or before there is one, it waits for the next time.
    """
    store = path.with_name("events.sqlite")
    if not store.exists() or not path.exists():
        return
    hashes = _hashes(path.read_bytes().splitlines())
    last = max(hashes, default=0)
    with (
        suppress(sqlite3.DatabaseError),
        closing(sqlite3.connect(store, timeout=0.2, isolation_level=None)) as sql,
    ):
        sql.execute(
            "INSERT INTO anchor VALUES ('administration', ?, ?) ON CONFLICT DO UPDATE"
            " SET number = excluded.number, hash = excluded.hash"
            " WHERE excluded.number > number",
            (last, _digest_of(hashes, last)),
        )


def _hashes(lines: list[bytes]) -> dict[int, str]:
    return dict(place for line in lines if (place := _place_of(line)) is not None)


def _digest_of(hashes: dict[int, str], last: int) -> str:
    """Return the hash of all hashes up to one: that of an event covers it alone."""
    text = "".join(hashes.get(number, "-") for number in range(1, last + 1))
    return hashlib.sha256(text.encode()).hexdigest()


def _ends_with_break(file: Any) -> bool:
    file.seek(-1, os.SEEK_END)
    return bool(file.read(1) == b"\n")


@dataclass(frozen=True, slots=True)
class Administration:
    """What was done to a collector."""

    hashes: dict[int, str]
    """Of the actions by their number."""
    removals: dict[int, tuple[int, str]]
    """Events and digest of each removal, by its number in the store."""
    problem: str
    """What is wrong with the record; empty for nothing."""


def read(path: Path) -> Administration | None:
    """Return the record, checked; None if there is none."""
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return None
    report = verify(lines)
    problem = report.problem
    is_cut = report.torn and not lines[-1].endswith(b"\n")
    text = ""
    if (not report.ok or is_cut) and problem is not None:
        text = f"{path}, line {problem.line}: {problem.kind}: {problem.sentence}"
    removals: dict[int, tuple[int, str]] = {}
    for line in lines:
        if _place_of(line) is not None:
            removals.update(_removal_in(line))
    return Administration(_hashes(lines), removals, text)


def _removal_in(line: bytes) -> dict[int, tuple[int, str]]:
    data = orjson.loads(line)["metadata"].get("data")
    if type(data) is not dict or type(data.get("removal")) is not int:
        return {}
    return {data["removal"]: (data.get("events", 0), data.get("digest", ""))}


def findings_of(path: Path, store: Path) -> Iterator[Finding]:
    """
    Yield what is wrong with the record of the administration.

    Args:
        path: Of the record.
        store: Of the store that knows how long it is.
    """
    found = read(path)
    anchor = _anchored(store)
    if found is not None and found.problem:
        yield Finding(found.problem)
    if anchor is None:
        return
    number, digest = anchor
    if found is None:
        yield Finding(f"{path} is gone: it had {number:,} actions.")
    elif (last := max(found.hashes, default=0)) < number:
        yield Finding(
            f"{path}: missing: it ends with action {last:,}, and there were {number:,}."
        )
    elif _digest_of(found.hashes, number) != digest:
        text = f"one of the first {number:,} actions is another than it was"
        yield Finding(f"{path}: altered: {text}.")


def _anchored(store: Path) -> tuple[int, str] | None:
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(store)) as sql:
        row = sql.execute(
            "SELECT number, hash FROM anchor WHERE name = 'administration'"
        ).fetchone()
        return None if row is None else (row[0], row[1])
    return None


def _last(file: Any) -> tuple[int, str]:
    """Return number and hash of the last action; 0 and nothing for none."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TAIL_BYTES))
    for line in reversed(file.read().splitlines()):
        found = _place_of(line)
        # Half a line, of a process that was killed: the chain goes on before it.
        if found is not None:
            return found
    return 0, ""


def _place_of(line: bytes) -> tuple[int, str] | None:
    try:
        event = orjson.loads(line)
        return int(event["metadata"]["chaukas"]["seq"]), str(event["content_hash"])
    except (ValueError, KeyError, TypeError):
        return None


def _cut(value: object) -> object:
    return value[:_TEXT_CHARS] if isinstance(value, str) else value


def _event(action: str, seq: int, facts: dict[str, object]) -> dict[str, Any]:
    at = datetime.now(timezone.utc)
    try:
        who = getpass.getuser()
    except (OSError, KeyError):
        who = str(os.getuid())
    return {
        "event_id": RandomIds().event_id(time.time_ns()),
        "tenant_id": "chaukas.administration",
        "type": "EVENT_TYPE_SYSTEM",
        "severity": "SEVERITY_INFO",
        "status": "EVENT_STATUS_COMPLETED",
        "author": "AUTHOR_USER",
        "timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "metadata": {
            "name": f"chaukas.collector.{action}",
            "data": {"by": who, **{name: _cut(one) for name, one in facts.items()}},
            "chaukas": {"stream": _STREAM, "seq": seq},
        },
    }
