"""
Puts events that a collector had refused back into a spool, to be sent once more.

For people at a terminal, once they have mended what was wrong with the collector.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from chaukas.sdk.delivery.spool.folder import Spool
from chaukas.sdk.delivery.spool.layout import QUARANTINE_NAME, is_private
from chaukas.sdk.delivery.spool.owner import About

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from chaukas.sdk.sinks.disk import Disk

__all__ = ["PutBack", "put_back"]

_UNHASHED: Final = b'"content_hash":"'


class PutBack(NamedTuple):
    """What `put_back` did."""

    events: int = 0
    """Events that wait in a spool again."""
    left: int = 0
    """Events that stay in quarantine: of other sinks, or there was no room."""


def put_back(
    spool_dir: str, keys: Iterable[str], disk: Disk, *, limit_bytes: int
) -> PutBack:
    """
    Move the events that these sinks refused from quarantine into spools.

    Such a spool looks like that of a dead process: whoever sends to that sink takes it
    over. If this is killed in the middle, events are in both places, not in none.

    Args:
        spool_dir: Folder of all spools.
        keys: The sinks, by the names that spools know them by.
        disk: File operations.
        limit_bytes: Most that all spools of the folder may take.

    Raises:
        OSError: A file cannot be read or written; what is not moved stays.
    """
    folder = Path(spool_dir, QUARANTINE_NAME)
    status = disk.find_itself(str(folder))
    if status is None or not is_private(status):
        return PutBack()
    wanted = frozenset(keys)
    done = PutBack()
    for path in sorted(folder.glob("*.jsonl")):
        if not path.is_symlink():
            one = _put_back_file(path, wanted, disk, limit_bytes)
            done = PutBack(done.events + one.events, done.left + one.left)
    return done


def _put_back_file(
    path: Path, keys: frozenset[str], disk: Disk, limit_bytes: int
) -> PutBack:
    # A process that is at work begins a file anew, and does not see this one change.
    taken = path.with_name(f"{path.stem}-{os.urandom(4).hex()}.jsonl")
    disk.rename(str(path), str(taken))
    rows = taken.read_bytes().splitlines(keepends=True)
    moved: set[int] = set()
    for key in sorted(keys):
        of_key = [(n, _event_of(row, key)) for n, row in enumerate(rows)]
        events = [(n, event) for n, event in of_key if event]
        # Where a line has a hash, all after it must have one.
        events.sort(key=lambda each: _UNHASHED in each[1])
        stored = _spool(path, key, [event for _, event in events], disk, limit_bytes)
        moved.update(n for n, _ in events[:stored])
    rest = [row for n, row in enumerate(rows) if n not in moved]
    _replace(taken, rest)
    return PutBack(len(moved), len(rest))


def _event_of(row: bytes, key: str) -> bytes:
    try:
        entry = json.loads(row)
    except (ValueError, RecursionError):
        return b""
    if type(entry) is not dict or entry.get("key") != key:
        return b""
    event = entry.get("event")
    return event.encode() + b"\n" if type(event) is str else b""


def _spool(
    path: Path, key: str, events: Sequence[bytes], disk: Disk, limit_bytes: int
) -> int:
    """Write a spool for one sink and leave it; return how many events it took."""
    if not events:
        return 0
    spool = Spool(
        str(path.parent.parent),
        f"retry-{os.urandom(12).hex()}",
        keys=[key],
        limit_bytes=limit_bytes,
        about=About(pid=os.getpid()),
        disk=disk,
    )
    verdict = spool.send(events)
    try:
        spool.sync()
    finally:
        spool.close()
        spool.abandon()
    if verdict.error:
        raise OSError(verdict.error)
    return verdict.accepted


def _replace(path: Path, rows: Sequence[bytes]) -> None:
    if not rows:
        path.unlink()
        return
    temporary = path.with_suffix(".tmp")
    temporary.touch(mode=0o600)
    temporary.write_bytes(b"".join(rows))
    temporary.replace(path)
