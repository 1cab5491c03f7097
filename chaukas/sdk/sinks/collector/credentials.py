"""
The API key: given, read from a file, or returned by a function.

Keys are rotated while programs run, so the key is asked for again whenever the
collector refuses the one in hand.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Key", "KeyUnreadableError"]

_KEY: Final = re.compile(r"[!-~]{1,16384}")
_FILE_BYTES: Final = 16 * 1024 + 2
_MEND_FILE: Final = "Correct that file, or name another one as api_key_file."
_MEND_FUNCTION: Final = "Correct the function that was given as api_key."


class KeyUnreadableError(Exception):
    """
    The key cannot be had now; the text says why, and holds nothing of it.

    Attributes:
        remedy: What to do about it, as a sentence.
    """

    def __init__(self, why: str, remedy: str) -> None:
        """Keep the reason and the remedy."""
        super().__init__(why)
        self.remedy = remedy


class Key:
    """
    The key in force.

    Args:
        source: The key itself, or a function without arguments that returns it,
            called on a thread of chaukas.
        path: File that holds it, used when there is no `source`.
        monotonic: Clock in seconds.
    """

    __slots__ = ("_asked_at_s", "_monotonic", "_path", "_source", "_text")

    def __init__(
        self,
        source: str | Callable[[], str] | None = None,
        path: str | os.PathLike[str] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._asked_at_s: float | None = None
        self._source = source
        self._path = path
        self._monotonic = monotonic
        self._text: str | None = None

    def __repr__(self) -> str:
        """Return a text that shows nothing of the key."""
        return "<Key>"

    @property
    def kind(self) -> str:
        """Where it comes from: `key`, `key function`, or `no key` if none is set."""
        if self._source is None or self._source == "":
            return "no key" if self._path is None else "key"
        return "key" if isinstance(self._source, str) else "key function"

    def late_source(self, now_s: float, late_s: float) -> str:
        """
        Return what has not given the key for a while; empty if nothing is waited for.

        Args:
            now_s: Monotonic time in seconds.
            late_s: How long a while is.
        """
        asked_at_s = self._asked_at_s
        if asked_at_s is None or now_s - asked_at_s < late_s:
            return ""
        if self._source is None:
            return "the file of CHAUKAS_API_KEY_FILE"
        return "the function given as api_key"

    def text(self) -> str:
        """
        Return the key, empty if there is none to send.

        Raises:
            KeyUnreadableError: The file or the function gives no key.
        """
        if self._text is None:
            self._text = self._read()
        return self._text

    def renew(self) -> bool:
        """
        Ask for the key again; say whether it is another one now.

        Raises:
            KeyUnreadableError: The file or the function gives no key.
        """
        earlier, self._text = self._text, None
        return self.text() != earlier

    def _read(self) -> str:
        if isinstance(self._source, str):
            return self._source
        self._asked_at_s = self._monotonic()
        try:
            if self._source is not None:
                return _called(self._source)
            return "" if self._path is None else _kept_in(self._path)
        finally:
            self._asked_at_s = None


def _called(source: Callable[[], str]) -> str:
    try:
        text: object = source()
    # Someone at a terminal, whose thread this is then, wants to end the program.
    except KeyboardInterrupt:
        raise
    # A user's function may raise anything, and its text may quote the key.
    except BaseException as error:
        what = f"its function raised {type(error).__name__}"
        raise KeyUnreadableError(what, _MEND_FUNCTION) from None
    if type(text) is not str or not _KEY.fullmatch(text.strip()):
        message = "its function returned no key of printable ASCII characters"
        raise KeyUnreadableError(message, _MEND_FUNCTION)
    return text.strip()


def _kept_in(path: str | os.PathLike[str]) -> str:
    place = os.fspath(path)
    try:
        with Path(place).open("rb") as file:
            data = file.read(_FILE_BYTES)
    except OSError as error:
        message = f"the file {place!r}: {error.strerror or type(error).__name__}"
        raise KeyUnreadableError(message, _MEND_FILE) from None
    text = data.decode("ascii", "replace").strip()
    if not _KEY.fullmatch(text):
        message = f"the file {place!r} holds no key of printable ASCII characters"
        raise KeyUnreadableError(message, _MEND_FILE)
    return text
