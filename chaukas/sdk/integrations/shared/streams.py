"""
Observe a stream without changing it: its first step, its items and its end.

A proxy, because callers ask a stream what it is, call `__anext__` directly or look for
`aclose`, and a generator around a generator would change all of that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import wrapt

from chaukas.sdk.record.context import CURRENT, reset
from chaukas.sdk.system.internal_errors import attempt, report

if TYPE_CHECKING:
    from chaukas.sdk.record.context import Node

__all__ = [
    "ObservedIterator",
    "ObservedStream",
    "StreamObserver",
    "is_stream",
]

_WHERE = "stream"


class StreamObserver:
    """What records a stream; whatever it raises is reported and not let out."""

    __slots__ = ()

    def begun(self) -> Node | None:
        """Note the first step; return the node to take it under."""

    def item(self, value: Any) -> None:
        """Note an item, in as little time as can be."""

    def ended(self) -> None:
        """Note that the stream is exhausted."""

    def failed(self, error: BaseException) -> None:
        """Note what it raised; `GeneratorExit` if it was closed or dropped early."""


# Only checkers know the base's type argument.
class _Observed(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """What both kinds have in common: the observer, and that an end comes once."""

    def __init__(self, stream: Any, observer: StreamObserver) -> None:
        super().__init__(stream)
        self._self_observer = observer
        self._self_is_over = False
        self._self_next: Any = None

    def _self_begun(self) -> Node | None:
        try:
            return self._self_observer.begun()
        except Exception as error:
            report(_WHERE, error)
            return None

    def _self_item(self, value: Any) -> None:
        try:
            self._self_observer.item(value)
        except Exception as error:
            report(_WHERE, error)

    def _self_ended(self, error: BaseException | None) -> None:
        if self._self_is_over:
            return
        self._self_is_over = True
        if error is None:
            attempt(_WHERE, self._self_observer.ended)
        else:
            attempt(_WHERE, self._self_observer.failed, error)

    def __del__(self) -> None:
        """End what was dropped before its end."""
        self._self_ended(GeneratorExit())


class ObservedStream(_Observed):
    """
    An asynchronous stream that is observed.

    Args:
        stream: What `is_stream` knows as one.
        observer: What records it.
    """

    def __aiter__(self) -> ObservedStream:
        """Return itself, as a stream is its own iterator."""
        return self

    async def __anext__(self) -> Any:
        """Return the next item, unchanged."""
        step = self._self_next
        try:
            value = await (self._self_first() if step is None else step())
        except StopAsyncIteration:
            self._self_ended(None)
            raise
        except BaseException as error:
            self._self_ended(error)
            raise
        self._self_item(value)
        return value

    async def _self_first(self) -> Any:
        """
        Take the first step, in which the request is made.

        Later steps go without the node: no retry comes after the first item.
        """
        node = self._self_begun()
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
        """The stream's own, if it has one; after it the stream is over."""
        close = self.__wrapped__.aclose

        async def closing() -> Any:
            try:
                result = await close()
            except BaseException as error:
                self._self_ended(error)
                raise
            self._self_ended(GeneratorExit())
            return result

        return closing


class ObservedIterator(_Observed):
    """
    An iterator that is observed, as `ObservedStream` is.

    Args:
        stream: An iterator or an iterable.
        observer: What records it.
    """

    def __iter__(self) -> ObservedIterator:
        """Return itself, as a stream is its own iterator."""
        return self

    def __next__(self) -> Any:
        """Return the next item, unchanged."""
        step = self._self_next
        try:
            value = self._self_first() if step is None else step()
        except StopIteration:
            self._self_ended(None)
            raise
        except BaseException as error:
            self._self_ended(error)
            raise
        self._self_item(value)
        return value

    def _self_first(self) -> Any:
        node = self._self_begun()
        self._self_next = step = self.__wrapped__.__iter__().__next__
        if node is None:
            return step()
        token = CURRENT.set(node)
        try:
            return step()
        finally:
            reset(token)

    @property
    def close(self) -> Any:
        """The stream's own, if it has one; after it the stream is over."""
        close = self.__wrapped__.close

        def closing() -> Any:
            try:
                result = close()
            except BaseException as error:
                self._self_ended(error)
                raise
            self._self_ended(GeneratorExit())
            return result

        return closing


def is_stream(value: object) -> bool:
    """Tell by its class whether *value* can be iterated asynchronously."""
    return hasattr(type(value), "__anext__") or hasattr(type(value), "__aiter__")
