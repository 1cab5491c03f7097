"""
Call the function that the user gave as `redact`, and tell once if it does not work.

What it fails for is hidden; without a word, a record full of `[REDACTED]` would be all
that the user sees of a wrong signature.
"""

from __future__ import annotations

import contextlib
import logging
from types import CoroutineType
from typing import TYPE_CHECKING

from chaukas.sdk.system.introspect import qualname_of

from .context import SUPPRESSED, reset

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("UsersRedact",)

_LOGGER = logging.getLogger("chaukas.sdk")


class UsersRedact:
    """
    The user's last word on each leaf, without recording what it does itself.

    Args:
        function: Called with the path and the value of a leaf.
    """

    __slots__ = ("_function", "_told", "failure")

    def __init__(self, function: Callable[[str, object], object]) -> None:
        self._function = function
        self._told: set[str] = set()
        self.failure = ""
        """How it failed last; empty if it never did. No text of the error."""

    def __call__(self, path: str, value: object) -> object:
        """
        Return what to show of a leaf.

        Raises:
            Exception: Whatever the function raised, so that the leaf is hidden.
            TypeError: It returned something that cannot be recorded.
        """
        token = SUPPRESSED.set(True)
        try:
            answer = self._function(path, value)
        except Exception as error:
            self._tell(f"raised {qualname_of(type(error))}")
            raise
        finally:
            reset(token)
        kind = type(answer)
        # Not `in`: it would ask a stranger's metaclass about equality.
        if answer is None or any(kind is leaf for leaf in (str, int, float, bool)):
            return answer
        if type(answer) is CoroutineType:
            # Never awaited, which Python would complain about to the host.
            answer.close()
        self._tell(f"returned a {qualname_of(kind)}")
        raise TypeError("redact returned what cannot be recorded")

    def _tell(self, what: str) -> None:
        """Log one line for each way of failing."""
        self.failure = f"the function {what}"
        if what in self._told:
            return
        self._told.add(what)
        # A host's own log handler may raise, which must not reach the host.
        with contextlib.suppress(Exception):
            _LOGGER.warning(
                "chaukas: the function given as redact %s: the values that it was "
                "asked about are recorded as [REDACTED]. Give a plain function "
                "redact(path, value) that returns a text, number, bool or None.",
                what,
            )
