"""
What a sink still needs of events that it has acknowledged, kept beside the spool.

One file for each sink, replaced as a whole: its first line says up to which event it
holds. Written before the position, so that it is never behind that.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaukas.sdk.sinks.disk import Disk

__all__ = ["carried_in", "carry"]

_SUFFIX: Final = ".open"
_LIMIT_BYTES: Final = 32 << 20


def carry(
    folder: str, key: str, ordinal: int, lines: Sequence[bytes], disk: Disk
) -> bool:
    """
    Write what a sink needs; return whether that is on the disk now.

    Args:
        folder: The spool.
        key: Name of the sink in it.
        ordinal: Of the first event that the sink has not acknowledged.
        lines: JSON objects without line feeds.
        disk: File operations.
    """
    path = os.path.join(folder, key + _SUFFIX)  # noqa: PTH118 - text, as Disk takes it
    data = b"\n".join((b"%d" % ordinal, *lines, b""))
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    # A full disk: the events are acknowledged all the same. What is lost with this
    # process then is the beginning of what is open.
    with contextlib.suppress(OSError):
        fd = disk.open(path + ".new", flags)
        try:
            written = 0
            while written < len(data):
                written += disk.write(fd, data[written:])
        finally:
            disk.close(fd)
        disk.rename(path + ".new", path)
        return True
    return False


def carried_in(folder: str, key: str, disk: Disk) -> tuple[int, list[bytes]]:
    """Return up to which event a sink had come, and what it needs; (0, []) if none."""
    path = os.path.join(folder, key + _SUFFIX)  # noqa: PTH118
    try:
        fd = disk.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            data = b""
            while len(data) < _LIMIT_BYTES and (more := disk.read(fd, 1 << 18)):
                data += more
        finally:
            disk.close(fd)
    except OSError:
        return 0, []
    head, *lines = data.split(b"\n")
    # The last piece is empty, unless the file was cut.
    return (int(head), lines[:-1]) if head.isdigit() else (0, [])
