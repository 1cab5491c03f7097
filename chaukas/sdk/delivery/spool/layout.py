"""The names in a spool folder, and which files there can be trusted."""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from chaukas.sdk.sinks.disk import Disk

__all__ = [
    "CORRUPT_NAME",
    "LOCK_NAME",
    "PAGE_NAME",
    "QUARANTINE_NAME",
    "UNFINISHED_PREFIX",
    "files_in",
    "is_open_to_others",
    "is_private",
    "is_stream_name",
    "is_unfinished_name",
]

LOCK_NAME: Final = "lock"
PAGE_NAME: Final = "page"
QUARANTINE_NAME: Final = "quarantine"
CORRUPT_NAME: Final = "corrupt"
UNFINISHED_PREFIX: Final = ".new-"
"""Before the name of a spool until its maker has locked it."""
_STREAM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_RESERVED: Final = frozenset({QUARANTINE_NAME, CORRUPT_NAME})


def is_stream_name(name: str) -> bool:
    """Return whether a name in the spool folder may be that of a spool."""
    return _STREAM.fullmatch(name) is not None and name not in _RESERVED


def is_unfinished_name(name: str) -> bool:
    """Return whether a name may be that of a spool that is just being made."""
    stream = name.removeprefix(UNFINISHED_PREFIX)
    return stream != name and is_stream_name(stream)


def is_private(status: os.stat_result) -> bool:
    """Return whether a path is a folder of this user, closed to all others."""
    is_closed = stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o077
    return is_closed and status.st_uid == os.geteuid()


def files_in(folder: str, disk: Disk) -> list[tuple[str, os.stat_result]]:
    """Return the files in a folder of this user alone; none in any other."""
    status = disk.find_itself(folder)
    if status is None or not is_private(status):
        return []
    paths = [os.path.join(folder, name) for name in disk.names(folder)]  # noqa: PTH118
    found = [(path, disk.find_itself(path)) for path in paths]
    return [(path, at) for path, at in found if at and stat.S_ISREG(at.st_mode)]


def is_open_to_others(status: os.stat_result) -> bool:
    """
    Return whether users other than this one and root may rename what is in a folder.

    With the sticky bit, as in `/tmp`, they may not.
    """
    is_foreign = status.st_uid not in {0, os.geteuid()}
    is_writable = status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX
    return bool(is_foreign or is_writable)
