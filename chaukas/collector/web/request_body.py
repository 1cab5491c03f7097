"""Reads a request's body: bounded in size and time, and in what all hold together."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

from chaukas.collector.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping
    from typing import Any

    from chaukas.collector.limits import Limits
    from chaukas.collector.memory_limit import MemoryLimit, Slot

    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

__all__ = ("body_of",)

_FREE_S: Final = 5.0
_SMALL_BYTES: Final = 64 << 10
"""Up to here a body waits for no slot: that much is here with its header."""


async def body_of(
    receive: Receive, stated: str | None, limits: Limits, held: MemoryLimit
) -> bytes:
    """
    Return the body of a request; what it holds must be released by the caller.

    Args:
        receive: Of ASGI.
        stated: The header Content-Length, if there is one.
        limits: What holds.
        held: Counts it.

    Raises:
        Refusal: 408 if it is too slow, 413 if it is too large, 400 if the client
            left, 503 if all bodies together are too large, or others wait for a slow
            one.
    """
    size = int(stated) if stated is not None and stated.isdigit() else 0
    if size > limits.body_bytes:
        raise Refusal(413, f"A body may have {limits.body_bytes} bytes at most.")
    body = bytearray()
    try:
        async with AsyncExitStack() as stack:
            slot = None
            if size > _SMALL_BYTES:
                slot = await stack.enter_async_context(held.slot())
            reader = _Reader(receive, body, limits, held, slot)
            while await reader.has_more():
                if reader.slot is None and len(body) > _SMALL_BYTES:
                    reader.slot = await stack.enter_async_context(held.slot())
    except BaseException:
        held.release(len(body))
        raise
    return bytes(body)


class _Reader:
    """Reads one body part by part, within its time."""

    def __init__(
        self,
        receive: Receive,
        body: bytearray,
        limits: Limits,
        held: MemoryLimit,
        slot: Slot | None,
    ) -> None:
        self._receive = receive
        self._body = body
        self._limits = limits
        self._held = held
        self._read_s = 0.0
        self.slot = slot

    async def has_more(self) -> bool:
        """Read a part; return whether it was not the last."""
        message = await self._part()
        if message["type"] == "http.disconnect":
            raise Refusal(400, "The client left.")
        part = message.get("body", b"")
        most = self._limits.body_bytes
        if len(self._body) + len(part) > most:
            raise Refusal(413, f"A body may have {most} bytes at most.")
        self._held.add(len(part))
        self._body += part
        return bool(message.get("more_body", False))

    async def _part(self) -> MutableMapping[str, Any]:
        limits = self._limits
        clock = asyncio.get_running_loop().time
        allowed_s = _FREE_S + len(self._body) / limits.body_bytes_per_s
        left_s = max(min(limits.body_s, allowed_s) - self._read_s, 0.001)
        # The time in which it waited for a slot is not its sender's.
        begun_s = clock()
        try:
            if self.slot is not None:
                return await self.slot.wait_for(self._receive(), left_s)
            return await asyncio.wait_for(self._receive(), left_s)
        except asyncio.TimeoutError:
            raise Refusal(408, "The body came too slowly.") from None
        finally:
            self._read_s += clock() - begun_s
