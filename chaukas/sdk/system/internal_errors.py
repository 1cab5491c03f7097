"""
Keep an error of chaukas away from the program that chaukas watches.

It is one place because swallowing errors is only right when each is counted, told
once, and loud in our own tests.

    try:
        recorder.emit(...)
    except Exception as error:  # noqa: BLE001
        report("AgentRunner.run", error)
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import threading
import time
from pathlib import PurePath
from typing import TYPE_CHECKING, ParamSpec, TypeGuard, TypeVar

from .introspect import qualname_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = (
    "Reporter",
    "attempt",
    "guarded",
    "is_systems",
    "log",
    "place_of",
    "report",
)

P = ParamSpec("P")
R = TypeVar("R")
D = TypeVar("D")

_QUIET_S = 60.0
_CAUSES_LIMIT = 256
_CODE_COROUTINE_OR_GENERATOR = 0x20 | 0x80 | 0x200
_OFF = frozenset({"", "0", "false", "no", "off"})


class Reporter:
    """
    Tell of internal errors: one line per cause per minute, and never a payload.

    A cause is a place and a type of error. No lock is held, because a report can
    come from a signal handler, a `__del__` or a forked child, where waiting for a
    lock may never end. Two threads that fail in the same instant, a minute after
    the last line, may therefore both be heard.

    Args:
        clock_s: Monotonic seconds; tests pass their own.
        logger: Receives the lines.
    """

    def __init__(
        self,
        clock_s: Callable[[], float] = time.monotonic,
        logger: logging.Logger | None = None,
    ) -> None:
        """Start with nothing told yet."""
        self._clock_s = clock_s
        self._logger = logger or logging.getLogger("chaukas.sdk")
        self._told: dict[tuple[str, type], tuple[float]] = {}
        self._here = threading.local()

    def report(
        self,
        where: str,
        error: Exception,
        count: Callable[[], object] | None = None,
    ) -> None:
        """
        Count *error* and tell of it, without letting anything out.

        Args:
            where: The hook point or function, in words that a maintainer knows.
            error: What was caught. Its text is only shown with CHAUKAS_DEBUG=1.
            count: Called once for each report, told or not.

        Raises:
            Exception: *error* itself when CHAUKAS_RAISE_INTERNAL=1, as our tests
                set it, so that our bugs are loud at home.

        A log handler that makes chaukas fail again is counted but not told, so
        that no loop can start.
        """
        if count is not None:
            self._count(count)
        if not getattr(self._here, "busy", False):
            self._here.busy = True
            try:
                # A host's own log handler may raise, which must not reach the host.
                with contextlib.suppress(Exception):
                    self._tell(where, error)
            finally:
                self._here.busy = False
        if _is_set("CHAUKAS_RAISE_INTERNAL"):
            raise error

    def _count(self, count: Callable[[], object]) -> None:
        # A counter that fails must not turn a small loss into a crash.
        with contextlib.suppress(Exception):
            count()

    def _tell(self, where: str, error: Exception) -> None:
        if not self._is_new((where, type(error))):
            return
        debug = _is_set("CHAUKAS_DEBUG")
        self._logger.warning(
            "chaukas: internal error in %s (%s at %s): one detail was not recorded, "
            "your program is unaffected. Set CHAUKAS_DEBUG=1 to see the whole stack.",
            where,
            *place_of(error),
            exc_info=error if debug else None,
        )

    def _is_new(self, cause: tuple[str, type]) -> bool:
        # A fresh tuple has its own identity, so setdefault tells who came first.
        now = (self._clock_s(),)
        last = self._told.setdefault(cause, now)
        if last is now:
            if len(self._told) > _CAUSES_LIMIT:
                self._told.clear()
            return True
        if now[0] - last[0] < _QUIET_S:
            return False
        self._told[cause] = now
        return True


def _is_set(variable: str) -> bool:
    return os.environ.get(variable, "").strip().lower() not in _OFF


def log(level: int, line: str) -> None:
    """
    Log one line for people, so that nothing of a log handler reaches the host.

    Args:
        level: Of `logging`.
        line: The whole line, without a secret.
    """
    with contextlib.suppress(Exception):
        logging.getLogger("chaukas.sdk").log(level, "%s", line)


def is_systems(error: Exception) -> TypeGuard[OSError]:
    """Tell whether the operating system refused something, and says what."""
    return isinstance(error, OSError) and type(error.errno) is int


def place_of(error: Exception) -> tuple[str, str]:
    """Return the type of an error and where it was raised; nothing of its text."""
    return qualname_of(type(error)), _place_of(error.__traceback__)


def _place_of(traceback: TracebackType | None) -> str:
    """Return file and line of the innermost frame, without the folders above."""
    if traceback is None:
        return "an unknown line"
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    path = PurePath(traceback.tb_frame.f_code.co_filename)
    return f"{'/'.join(path.parts[-2:])}:{traceback.tb_lineno}"


_reporter = Reporter()
report = _reporter.report


def attempt(
    where: str, record: Callable[P, R], *args: P.args, **kwargs: P.kwargs
) -> R | None:
    """
    Call *record*, and report what it raises instead of letting it out.

    Args:
        where: The hook point, in words that a maintainer knows.
        record: Something of chaukas.
        *args: Its arguments.
        **kwargs: Its arguments.

    Returns:
        What it returned; None if it raised.
    """
    try:
        return record(*args, **kwargs)
    except Exception as error:
        report(where, error)
        return None


def guarded(
    default: D,
    *,
    where: str | None = None,
    count: Callable[[], object] | None = None,
    passing: tuple[type[Exception], ...] = (),
) -> Callable[[Callable[P, R]], Callable[P, R | D]]:
    """
    Decorate a function of ours so that its `Exception` becomes *default*.

    Only `Exception` is caught: Ctrl-C, cancellation and exit pass through.

    Args:
        default: Returned instead, the same object each time.
        where: Told in the report; the function's own name without it.
        count: Passed on to `report`.
        passing: Errors that are meant for the caller, and pass untouched.

    Raises:
        TypeError: The function is a coroutine or generator function, whose errors
            come after the call, where this guard cannot see them.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R | D]:
        name = where or f"{function.__module__}.{function.__qualname__}"
        if function.__code__.co_flags & _CODE_COROUTINE_OR_GENERATOR:
            raise TypeError(
                f"chaukas: cannot guard {name!r}: it runs after the call returns. "
                "Guard the plain functions that it calls."
            )

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R | D:
            try:
                return function(*args, **kwargs)
            except passing:
                raise
            # The one purpose of this guard; narrower would let our bugs out.
            except Exception as error:
                report(name, error, count)
                return default

        return call

    return decorate
