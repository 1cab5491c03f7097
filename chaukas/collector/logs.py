"""The collector's log: one JSON object a line, in which no value can break the line."""

from __future__ import annotations

import logging
import sys
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

import orjson

__all__ = ("LoopFailures", "log_to_stderr")

if TYPE_CHECKING:
    from collections.abc import Callable

_NAME: Final = "chaukas.collector"
_LOG: Final = logging.getLogger(_NAME)
_QUIET_S: Final = 60.0
_TEXTS: Final = 100


def log_to_stderr(level: str) -> None:
    """
    Write the log of the collector and of its servers to the standard error.

    Args:
        level: Such as `info`; `warning` leaves the line of each request out.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json())
    for name in (_NAME, "chaukas.viewer", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(level.upper())
    # What other libraries have to say is a line of this kind too.
    logging.getLogger().handlers = [handler]
    # What it says of each malformed request stands in the line of the request.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)


class LoopFailures:
    """
    Tells what went wrong in the event loop itself, each thing once a minute.

    Without file numbers for connections asyncio fails hundreds of times a second, and
    its tracebacks would fill the disk.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told_s: dict[str, float] = {}

    def __call__(self, _loop: object, context: dict[str, Any]) -> None:
        """Tell it; the handler of exceptions of a loop."""
        text, now_s = str(context.get("message")), self._clock()
        if now_s - self._told_s.get(text, float("-inf")) < _QUIET_S:
            return
        if len(self._told_s) >= _TEXTS:
            self._told_s.clear()
        self._told_s[text] = now_s
        error = context.get("exception")
        if isinstance(error, OSError):
            _LOG.error("%s: %s", text, error.strerror)
        else:
            _LOG.error("%s", text, exc_info=error)


class _Json(logging.Formatter):
    """Writes a record as JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line; texts are escaped, so that they stay in it."""
        at = datetime.fromtimestamp(record.created, timezone.utc)
        facts = getattr(record, "facts", {})
        line = {
            "at": at.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": _plain(record.getMessage()),
            **{
                name: _plain(value) if isinstance(value, str) else value
                for name, value in facts.items()
                if value is not None
            },
        }
        if record.exc_info:
            line["traceback"] = _plain(self.formatException(record.exc_info))
        return orjson.dumps(line, default=str).decode()


def _plain(text: str) -> str:
    """Return a text in which nothing steers a terminal."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode()
        for c in text
    )
