"""
Says a thing once a minute, however often it happens.

A full disk fails hundreds of times a second; one line tells the operator all
that there is to know.
"""

from __future__ import annotations

import logging
from typing import Final

__all__ = ["LOGGER", "LogLimit"]

LOGGER: Final = logging.getLogger("chaukas.sdk")

_INTERVAL_S: Final = 60.0
_MOST: Final = 32
_OTHERS: Final = "others"


class LogLimit:
    """
    Remember when each cause was last spoken of.

    Args:
        interval_s: Time for which a cause is not spoken of again.
        most: How many causes are told apart; all further ones are one more, since
            their names may come from the network and never be the same.
    """

    __slots__ = ("_interval_s", "_most", "_said_at_s")

    def __init__(self, interval_s: float = _INTERVAL_S, most: int = _MOST) -> None:
        self._said_at_s: dict[str, float] = {}
        self._interval_s = interval_s
        self._most = most

    def is_due(self, cause: str, now_s: float) -> bool:
        """
        Return whether to speak of `cause` now, and take it as said.

        Args:
            cause: What it is about.
            now_s: Monotonic time in seconds.
        """
        said = self._said_at_s
        if cause not in said and len(said) >= self._most:
            # Copied, since senders share the log_limit of the quarantine.
            for other, said_at_s in list(said.items()):
                if self._is_over(said_at_s, now_s):
                    said.pop(other, None)
            cause = cause if len(said) < self._most else _OTHERS
        before_s = said.get(cause)
        if before_s is not None and not self._is_over(before_s, now_s):
            return False
        self._said_at_s[cause] = now_s
        return True

    def _is_over(self, said_at_s: float, now_s: float) -> bool:
        return now_s - said_at_s >= self._interval_s

    def report(self, cause: str, now_s: float, sentence: str) -> None:
        """Log `sentence` as a warning if `cause` is due."""
        if self.is_due(cause, now_s):
            LOGGER.warning("%s", sentence)
