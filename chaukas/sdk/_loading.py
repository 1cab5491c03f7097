"""
Imports on threads of chaukas, which a fork of the host waits for.

A child that is forked while another thread imports a module inherits half of it, and
can never load the rest: no worker of a prefork server would send anything.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

from ._native import original

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["loading"]

_LONGEST_S: Final = 5.0
_lock = original("_thread", "RLock")()


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Hold back forks of this process for as long as the block imports."""
    with _lock:
        yield


def _hold() -> None:
    # Not for ever: the thread that forks may itself be importing what is waited for.
    _lock.acquire(timeout=_LONGEST_S)


def _let_go() -> None:
    # It is not held where the time was up.
    with contextlib.suppress(RuntimeError):
        _lock.release()


def _renew() -> None:
    global _lock
    # The thread that held it may not exist here.
    _lock = original("_thread", "RLock")()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_hold, after_in_parent=_let_go, after_in_child=_renew
    )
