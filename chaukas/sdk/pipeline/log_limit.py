"""
Limits how often the log repeats a message.

A full disk fails hundreds of times a second; one line says all that
there is to know.
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
    Logs each cause once per interval.

    Args:
        interval_s: Time for which a cause is not logged again.
        most: How many causes are kept apart; all further ones count as one, since
            their names may come from the network and never be the same.
    """

    __slots__ = ("_interval_s", "_logged_at_s", "_most")

    def __init__(self, interval_s: float = _INTERVAL_S, most: int = _MOST) -> None:
        self._logged_at_s: dict[str, float] = {}
        self._interval_s = interval_s
        self._most = most

    def is_due(self, cause: str, now_s: float) -> bool:
        """
        Return whether to log `cause` now, and note that it was.

        Args:
            cause: What it is about.
            now_s: Monotonic time in seconds.
        """
        logged = self._logged_at_s
        if cause not in logged and len(logged) >= self._most:
            # Copied, since senders share the limit of the quarantine.
            for other, logged_at_s in list(logged.items()):
                if self._is_over(logged_at_s, now_s):
                    logged.pop(other, None)
            cause = cause if len(logged) < self._most else _OTHERS
        before_s = logged.get(cause)
        if before_s is not None and not self._is_over(before_s, now_s):
            return False
        self._logged_at_s[cause] = now_s
        return True

    def _is_over(self, logged_at_s: float, now_s: float) -> bool:
        return now_s - logged_at_s >= self._interval_s

    def report_defect(self, label: str, error: BaseException, now_s: float) -> None:
        """Log an error of chaukas itself on one of its threads, named *label*."""
        name = type(error).__name__
        self.report(
            name,
            now_s,
            f"chaukas: {label} failed with {name}: it goes on, and no event is lost."
            " Please report this.",
        )

    def report(self, cause: str, now_s: float, sentence: str) -> None:
        """Log `sentence` as a warning if `cause` is due."""
        if self.is_due(cause, now_s):
            LOGGER.warning("%s", sentence)
