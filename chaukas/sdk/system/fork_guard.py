"""
Forks of the host wait until threads of chaukas are at a safe place.

A child that is forked while a thread imports inherits half of a module, and can never
load the rest; one that is forked in the middle of a gRPC call may crash, and so may
its parent. Both happen as soon as a prefork server starts its workers.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final, final

from .threads import allocate_lock, get_ident, sleep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["ForkWatch", "holding_forks"]

_LONGEST_S: Final = 5.0
_LOOK_AGAIN_S: Final = 0.0005


class _Gate:
    """Who is inside, and how many forks wait outside."""

    def __init__(self) -> None:
        self.lock = allocate_lock()
        self.inside: dict[int, int] = {}
        self.interrupts: dict[object, Callable[[], None]] = {}
        self.forks = 0
        self.begun = 0
        self.over = 0

    def enter(self) -> None:
        me = get_ident()
        while True:
            with self.lock:
                if not self.forks or me in self.inside:
                    self.inside[me] = self.inside.get(me, 0) + 1
                    return
            sleep(_LOOK_AGAIN_S)

    def leave(self) -> None:
        me = get_ident()
        with self.lock:
            self.inside[me] -= 1
            if not self.inside[me]:
                del self.inside[me]

    def others(self) -> int:
        with self.lock:
            return len(self.inside) - (get_ident() in self.inside)


_gate = _Gate()


@final
class ForkWatch:
    """
    Says whether a fork of this process may have come since it was made.

    Who holds nothing back can so undo what a child may have got half of.
    """

    __slots__ = ("_over",)

    def __init__(self) -> None:
        self._over = _gate.over

    def has_come(self) -> bool:
        """Return whether one came, or may be coming in this very moment."""
        return _gate.begun != self._over


@contextlib.contextmanager
def holding_forks(interrupt: Callable[[], None] | None = None) -> Iterator[None]:
    """
    Hold back forks of this process until the block ends.

    It must end soon: a fork waits for it, though not for ever.

    Args:
        interrupt: Ends the block early; called on the thread that forks, perhaps
            just before the block begins.
    """
    gate, key = _gate, object()
    if interrupt is not None:
        # First of all: a fork that comes right after `enter` must find it.
        gate.interrupts[key] = interrupt
    try:
        gate.enter()
        try:
            yield
        finally:
            gate.leave()
    finally:
        gate.interrupts.pop(key, None)


def _before() -> None:
    gate = _gate
    with gate.lock:
        gate.forks += 1
    for interrupt in list(gate.interrupts.values()):
        # Whatever it throws, the fork is the host's.
        with contextlib.suppress(Exception):
            interrupt()
    # The thread that forks may itself import what another one waits for.
    for _ in range(int(_LONGEST_S / _LOOK_AGAIN_S)):
        if not gate.others():
            break
        sleep(_LOOK_AGAIN_S)
    with gate.lock:
        gate.begun += 1


def _after_in_parent() -> None:
    gate = _gate
    with gate.lock:
        gate.forks -= 1
        gate.over += 1


def _after_in_child() -> None:
    global _gate
    # Those who were inside do not exist here.
    _gate = _Gate()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before,
        after_in_parent=_after_in_parent,
        after_in_child=_after_in_child,
    )
