"""
Watch an asynchronous iterator of a voice model without changing it.

Apart from the models, because it is a proxy: whoever asks what the iterator is, gets
the answer of the original.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

import wrapt

from chaukas.sdk.record.context import CURRENT, reset

if TYPE_CHECKING:
    from chaukas.sdk.record.context import Node

__all__ = ["Watch", "WatchedIterator"]


class Watch(Protocol):
    """Who is told of an iterator; nothing that it does may raise."""

    def begun(self) -> Node | None:
        """Note the first step; return the node to take it under."""

    def came(self, item: Any) -> None:
        """Note an item."""

    def over(self, error: BaseException | None) -> None:
        """Note the end; only the first one counts."""


# Only checkers know the base's type argument.
class WatchedIterator(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """
    An iterator that tells a `Watch` of its first step, its items and its end.

    Args:
        iterator: What the model returned.
        watch: Who is told.
    """

    def __init__(self, iterator: Any, watch: Watch) -> None:
        super().__init__(iterator)
        self._self_watch = watch
        self._self_next: Any = None

    def __aiter__(self) -> WatchedIterator:
        """Return itself, as a stream is its own iterator."""
        return self

    async def __anext__(self) -> Any:
        """Return the next item, unchanged."""
        step = self._self_next
        watch = self._self_watch
        try:
            item = await (self._first() if step is None else step())
        except StopAsyncIteration:
            watch.over(None)
            raise
        except BaseException as error:
            watch.over(error)
            raise
        watch.came(item)
        return item

    async def _first(self) -> Any:
        """Take the first step, in which the request is made."""
        node = self._self_watch.begun()
        self._self_next = step = self.__wrapped__.__aiter__().__anext__
        if node is None:
            return await step()
        token = CURRENT.set(node)
        try:
            return await step()
        finally:
            reset(token)

    @property
    def aclose(self) -> Any:
        """The original's own, after which it is over."""
        close = self.__wrapped__.aclose
        watch = self._self_watch

        async def closing() -> None:
            try:
                await close()
            finally:
                watch.over(asyncio.CancelledError())

        return closing

    def __del__(self) -> None:
        """End what was dropped before its end."""
        self._self_watch.over(asyncio.CancelledError())
