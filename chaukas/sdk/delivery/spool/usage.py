"""
The limit on the size of all spools of a folder, over all processes.

Each process knows its own bytes, and looks at those of the others now and then:
after so few bytes that all of them together do not get past the limit meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from .layout import CORRUPT_NAME, QUARANTINE_NAME, files_in, is_stream_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.sdk.sinks.disk import Disk

__all__ = ["Allowance", "Usage", "usage_of"]

_GROWING_S: Final = 60.0
_LOOK_AGAIN_S: Final = 5.0
_LOOK_AGAIN_WHEN_FULL_S: Final = 0.25
_LONGEST_STEP_BYTES: Final = 1 << 20
_STEPS: Final = 4


class Usage(NamedTuple):
    """What lies in a spool folder, without the spool of this process."""

    size_bytes: int
    """Size of all files: of living and dead processes, quarantine, set aside."""
    growing: int
    """Spools to which another process may be writing at this moment."""


def usage_of(spool_dir: str, own: str, disk: Disk, now_s: float) -> Usage:
    """
    Measure a spool folder; what cannot be read counts for nothing.

    Args:
        spool_dir: Folder of all spools.
        own: Name of the spool to leave out.
        disk: File operations.
        now_s: Wall time in seconds.
    """
    size = growing = 0
    with contextlib.suppress(OSError):
        for name in disk.names(spool_dir):
            is_kept = name in {QUARANTINE_NAME, CORRUPT_NAME}
            if name == own or not (is_kept or is_stream_name(name)):
                continue
            with contextlib.suppress(OSError):
                path = os.path.join(spool_dir, name)  # noqa: PTH118
                files = [file for _, file in files_in(path, disk)]
                size += sum(file.st_size for file in files)
                changed_at_s = max((file.st_mtime for file in files), default=0.0)
                # Another clock than this one's must not make it look old.
                growing += not is_kept and now_s - changed_at_s < _GROWING_S
    return Usage(size, growing)


class Allowance:
    """
    Says how many bytes the spool of this process may still take.

    Used by the writer's thread alone.

    Args:
        limit_bytes: Most that everything in the spool folder may take.
        measure: Looks at what others take.
        monotonic: Clock for intervals in seconds.
    """

    def __init__(
        self,
        limit_bytes: int,
        measure: Callable[[], Usage],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit_bytes = limit_bytes
        self._measure = measure
        self._monotonic = monotonic
        self._others = Usage(0, 0)
        self._looked_at_s = float("-inf")
        self._left_bytes = 0

    def room(self, used_bytes: int, wanted_bytes: int) -> int:
        """
        Return how many bytes may be written now.

        Args:
            used_bytes: Size of the own spool.
            wanted_bytes: Size of what is to be written.
        """
        age_s = self._monotonic() - self._looked_at_s
        if age_s >= _LOOK_AGAIN_S or (
            wanted_bytes > self._left_bytes and age_s >= self._patience_s(used_bytes)
        ):
            self._look()
        return self._room(used_bytes)

    def note(self, written_bytes: int) -> None:
        """Note how many bytes were written."""
        self._left_bytes -= written_bytes

    def _look(self) -> None:
        self._others = self._measure()
        self._looked_at_s = self._monotonic()
        self._left_bytes = self._step_bytes()

    def _patience_s(self, used_bytes: int) -> float:
        """Return how old a look may be: looking at a full folder changes little."""
        is_full = self._room(used_bytes) <= 0
        return _LOOK_AGAIN_WHEN_FULL_S if is_full else 0.0

    def _room(self, used_bytes: int) -> int:
        # Each of the others may write so much before it looks again.
        reserved = self._others.growing * self._step_bytes()
        return self._limit_bytes - self._others.size_bytes - reserved - used_bytes

    def _step_bytes(self) -> int:
        share = self._limit_bytes // (_STEPS * (self._others.growing + 1))
        return min(_LONGEST_STEP_BYTES, share)
