"""
Limits the bytes that requests hold, and how many requests may send at a time.

Who has to wait does so before its body is read: what is on its way stays with the
sender, where the flow control of HTTP/2 and TCP keeps it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from .refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    T = TypeVar("T")

__all__ = ("MemoryLimit", "Slot")

_STEP_S: Final = 0.25
"""How often it is looked whether others wait for the slot of one that is slow."""
_WAITED_S: Final = 5.0
"""Well below the time in which clients expect an answer: they come again."""
_AGAIN_S: Final = 2
_BUSY: Final = "Too many large requests at a time: come again."
_SLOW: Final = "Others wait, and this request comes slowly: come again."


class MemoryLimit:
    """
    Bytes of all that is read, or decoded; of the event loop's thread.

    Args:
        most: Above it nothing is taken.
        enough: From here on no request is admitted. How large a body is, is known last,
            so that each that was admitted may bring more than that.
        slots: How many requests are admitted at a time; 0 for any number.
        round_s: In which all that wait get a slot, however slow those are who have
            one.
    """

    def __init__(
        self, most: int, enough: int = 0, slots: int = 0, round_s: float = 10.0
    ) -> None:
        self._most = most
        self._enough = enough or most
        self._slots = slots
        self._round_s = round_s
        self._now = 0
        self._admitted = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    def add(self, size: int) -> None:
        """
        Hold more.

        Raises:
            Refusal: 503, if that were too much.
        """
        if self._now + size > self._most:
            raise Refusal(503, _BUSY, 1)
        self._now += size

    def release(self, size: int) -> None:
        """Hold less."""
        self._now -= size
        self._admit()

    @property
    def is_full(self) -> bool:
        """Whether no request is admitted now, or one waits already."""
        return bool(self._waiting) or not self._has_room()

    @property
    def slot_s(self) -> float:
        """How long one may keep its slot while others wait, in seconds."""
        if not self._waiting:
            return float("inf")
        return self._round_s * self._slots / (self._slots + len(self._waiting))

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[Slot]:
        """
        Wait for a slot, and keep it until the block ends.

        Raises:
            Refusal: 503, if none became free.
        """
        if self.is_full:
            await self._wait()
        else:
            self._admitted += 1
        try:
            yield Slot(self)
        finally:
            self._leave()

    async def _wait(self) -> None:
        admitted = asyncio.get_running_loop().create_future()
        self._waiting.append(admitted)
        try:
            await asyncio.wait({admitted}, timeout=_WAITED_S)
        except asyncio.CancelledError:
            # A slot that was given at the last moment must not be lost.
            if admitted.done():
                self._leave()
            else:
                self._waiting.remove(admitted)
            raise
        if not admitted.done():
            self._waiting.remove(admitted)
            raise Refusal(503, _BUSY, _AGAIN_S)

    def _leave(self) -> None:
        self._admitted -= 1
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._has_room():
            self._admitted += 1
            self._waiting.popleft().set_result(None)

    def _has_room(self) -> bool:
        return self._now < self._enough and not 0 < self._slots <= self._admitted


class Slot:
    """
    One of the slots; a sender that is slow loses it to those who wait.

    Args:
        limit: Whose slot.
    """

    def __init__(self, limit: MemoryLimit) -> None:
        self._limit = limit
        self._clock = asyncio.get_running_loop().time
        self._begun_s = self._clock()

    async def wait_for(self, what: Awaitable[T], most_s: float) -> T:
        """
        Wait for what a sender sends.

        Args:
            what: Is cancelled if it does not come.
            most_s: For how long, if nobody waits for the slot.

        Raises:
            Refusal: 503, if others wait and this one had its time.
            asyncio.TimeoutError: It did not come.
        """
        end_s = self._clock() + most_s
        task = asyncio.ensure_future(what)
        try:
            while True:
                left_s = end_s - self._clock()
                await asyncio.wait({task}, timeout=max(0.001, min(left_s, _STEP_S)))
                if task.done():
                    return task.result()
                now_s = self._clock()
                if now_s >= end_s:
                    raise asyncio.TimeoutError
                if now_s - self._begun_s >= self._limit.slot_s:
                    raise Refusal(503, _SLOW, 1)
        finally:
            task.cancel()
