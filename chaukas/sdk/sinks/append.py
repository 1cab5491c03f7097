"""Appends lines to a file, as far as the disk takes them, and says what it refused."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

from . import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["advice_of", "append_all", "refusal"]

_ACCESS: Final = "Allow this user to write there, or set {setting}."
_PIPE: Final = "Start the program that reads this pipe."
_FOLDER: Final = "Set {setting} to another place: no folder can be made there."
_ADVICE: Final = {
    errno.ENOSPC: "Free some space on that disk.",
    errno.EDQUOT: "Free some space in that quota.",
    errno.EFBIG: "Raise the file size limit, or set CHAUKAS_ROTATE_BYTES.",
    errno.EACCES: _ACCESS,
    errno.EPERM: _ACCESS,
    errno.EROFS: "Set {setting} to a place that can be written.",
    errno.EISDIR: "Set {setting} to a file in that folder.",
    errno.EMFILE: "Raise the limit of open files.",
    errno.ENFILE: "Raise the system's limit of open files.",
    errno.ENXIO: _PIPE,
    errno.EPIPE: _PIPE,
    errno.ELOOP: "Remove that link, or set {setting}.",
    errno.ENOTDIR: _FOLDER,
    errno.EEXIST: _FOLDER,
}


def append_all(
    lines: Sequence[bytes], append: Callable[[Sequence[bytes]], int]
) -> tuple[int, OSError | None]:
    """
    Append lines until all are stored, or the disk has refused.

    Args:
        lines: The lines.
        append: Writes the first of some lines, and returns how many.

    Returns:
        How many are stored, and why not all.
    """
    stored, is_stuck = 0, False
    try:
        while stored < len(lines):
            progress = append(lines[stored:] if stored else lines)
            if is_stuck and not progress:
                # The system mostly says itself, at the second write, what is wrong.
                return stored, OSError(errno.EIO, "Short write")
            stored += progress
            is_stuck = not progress
    except OSError as error:
        return stored, error
    return stored, None


def refusal(error: OSError, stored: int, what: str, setting: str) -> Verdict:
    """
    Return the verdict on a batch that the disk did not take whole.

    Args:
        error: What it said.
        stored: How many events it took.
        what: What cannot be written, for people.
        setting: Name of the setting that says where that is.
    """
    code = error.errno or errno.EIO
    cause = errno.errorcode.get(code, str(code))
    why = error.strerror or os.strerror(code)
    return Verdict(
        stored,
        cause=cause,
        error=f"chaukas: cannot write {what} ({cause}, {why}): events are kept in"
        f" memory and tried again. {advice_of(code, setting)}",
    )


def advice_of(code: int | None, setting: str) -> str:
    """Return what to do about an error of the system, as a sentence."""
    advice = _ADVICE.get(code or errno.EIO, "Check the disk and that path.")
    return advice.format(setting=setting)
