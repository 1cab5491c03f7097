"""
Says a thing once a minute, however often it happens.

A full disk fails hundreds of times a second; one line tells the operator all
that there is to know.
"""

from __future__ import annotations

import logging
from typing import Final

__all__ = ["LOGGER", "Notices"]

LOGGER: Final = logging.getLogger("chaukas.sdk")

_INTERVAL_S: Final = 60.0


class Notices:
    """
    Remember when each cause was last spoken of.

    Args:
        interval_s: Time for which a cause is not spoken of again.
    """

    __slots__ = ("_interval_s", "_said_at_s")

    def __init__(self, interval_s: float = _INTERVAL_S) -> None:
        self._said_at_s: dict[str, float] = {}
        self._interval_s = interval_s

    def is_due(self, cause: str, now_s: float) -> bool:
        """
        Return whether to speak of `cause` now, and take it as said.

        Args:
            cause: One of a small set of names: each is kept for ever.
            now_s: Monotonic time in seconds.
        """
        said_at_s = self._said_at_s.get(cause)
        if said_at_s is not None and now_s - said_at_s < self._interval_s:
            return False
        self._said_at_s[cause] = now_s
        return True

    def warn(self, cause: str, now_s: float, sentence: str) -> None:
        """Log `sentence` as a warning if `cause` is due."""
        if self.is_due(cause, now_s):
            LOGGER.warning("%s", sentence)
