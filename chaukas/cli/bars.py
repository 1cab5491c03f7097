"""A bar on the terminal for what takes longer than a second; nothing anywhere else."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from .output import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ("progress",)

_PATIENCE_S: Final = 1.0
_MOST_SIGNS: Final = 60


@contextmanager
def progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """
    Give a function that is told how much is done, and of how much.

    On the standard error, once it took a second, and only if that is a terminal. It
    is gone from there at the end.

    Args:
        label: What is being done.
    """
    begun_s = time.monotonic()
    bar: Any = None
    task: Any = None
    is_terminal = sys.stderr is not None and sys.stderr.isatty()

    def note(done: int, all_: int) -> None:
        nonlocal bar, task
        if not is_terminal or time.monotonic() - begun_s < _PATIENCE_S:
            return
        if bar is None:
            bar, task = _started(label)
        bar.update(task, completed=done, total=max(1, all_))

    try:
        yield note
    finally:
        if bar is not None:
            bar.stop()


def _started(label: str) -> tuple[Any, Any]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        "{task.description}",
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    bar.start()
    return bar, bar.add_task(escape(printable(label)[:_MOST_SIGNS]), total=None)
