"""
How far one sink has come in one spool, kept in a file of one line.

Written in place after each acknowledged batch: 30 bytes in one write are whole or
absent after the death of the process, and a checksum shows the rest.
"""

from __future__ import annotations

import os
import re
import zlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from chaukas.sdk.sinks.disk import Disk

__all__ = ["POSITION_SUFFIX", "Position", "position_in"]

POSITION_SUFFIX: Final = ".pos"
_LINE: Final = re.compile(rb"(\d{20}) ([0-9a-f]{8})\n")
_SIZE: Final = 30


def position_in(data: bytes) -> int:
    """Return the ordinal that a position file holds; 0 if it is not whole."""
    match = _LINE.fullmatch(data[:_SIZE])
    if match is None or int(match[2], 16) != zlib.crc32(match[1]):
        return 0
    return int(match[1])


class Position:
    """
    The position file of one sink; used by the thread of that sink alone.

    Args:
        path: The file; made if it is missing.
        disk: File operations.

    Raises:
        OSError: It can neither be read nor made.
    """

    __slots__ = ("_disk", "_fd", "_kept")

    def __init__(self, path: str, disk: Disk) -> None:
        self._disk = disk
        self._fd = disk.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
        self._kept = position_in(disk.read(self._fd, _SIZE))

    @property
    def kept(self) -> int:
        """The ordinal that the file holds."""
        return self._kept

    def keep(self, ordinal: int) -> None:
        """
        Write the ordinal of the first event that is still to be sent.

        Raises:
            OSError: The disk refused; the next call writes a later one.
        """
        digits = b"%020d" % ordinal
        self._disk.write_at(self._fd, b"%b %08x\n" % (digits, zlib.crc32(digits)), 0)
        self._kept = ordinal

    def close(self) -> None:
        """Close the file."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            self._disk.close(fd)
