"""
Observe a stream without changing it: its first step, its items and its end.

A proxy, because callers ask a stream what it is, call `__anext__` directly or look for
`aclose`, and a generator around a generator would change all of that.
"""

from __future__ import annotations

from operator import attrgetter
from types import AsyncGeneratorType
from typing import TYPE_CHECKING, Any

import wrapt

from chaukas.sdk.record.context import CURRENT, reset
from chaukas.sdk.system.internal_errors import attempt, report

from .observe import first_step

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

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


class _Ending:
    """Notes the end of a stream, once."""

    __slots__ = ("_is_over", "_observer")

    def __init__(self, observer: StreamObserver) -> None:
        self._observer = observer
        self._is_over = False

    def note(self, error: BaseException | None) -> None:
        """Note that it is exhausted or, with an error, what it raised."""
        if self._is_over:
            return
        self._is_over = True
        if error is None:
            attempt(_WHERE, self._observer.ended)
        else:
            attempt(_WHERE, self._observer.failed, error)


# Only checkers know the base's type argument.
class _Observed(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """What both kinds have in common: the observer, and that an end comes once."""

    def __init__(self, stream: Any, observer: StreamObserver) -> None:
        super().__init__(stream)
        self._self_observer = observer
        self._self_ended = _Ending(observer).note
        self._self_step: Any = None

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

    # Read in C: a stream has hundreds of items. What is found returns the next item,
    # unchanged, when awaited.
    __anext__ = property(attrgetter("_self_next"))

    async def _self_observed(self) -> Any:
        step = self._self_step
        try:
            value = await (self._self_first() if step is None else step())
        except StopAsyncIteration:
            self._self_ended(None)
            raise
        except BaseException as error:
            self._self_ended(error)
            raise
        self._self_item(value)
        if step is None and type(self.__wrapped__) is AsyncGeneratorType:
            await self._self_shorten()
        return value

    _self_next: Any = _self_observed

    async def _self_first(self) -> Any:
        """
        Take the first step, in which the request is made.

        Later steps go without the node: no retry comes after the first item.
        """
        node = self._self_begun()
        self._self_step = step = self.__wrapped__.__aiter__().__anext__
        if node is None:
            return await step()
        token = CURRENT.set(node)
        try:
            return await step()
        finally:
            reset(token)

    async def _self_shorten(self) -> None:
        """
        Let a generator take the further steps, which spares a coroutine for each.

        Only of a generator: another iterator may be asked by two tasks at once, or
        again after an error.
        """
        rest = _rest_of(self._self_step, self._self_observer, self._self_ended)
        await first_step(rest, None)
        # It has no reference to this proxy, whose end would not be noticed in a circle.
        self._self_next = rest.__anext__

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


async def _rest_of(
    step: Any, observer: StreamObserver, note_end: Any
) -> AsyncGenerator[Any, None]:
    """Yield once at the begin, then each further item, unchanged."""
    yield None
    note = observer.item
    while True:
        try:
            value = await step()
        except StopAsyncIteration:
            note_end(None)
            return
        except BaseException as error:
            note_end(error)
            raise
        try:
            note(value)
        except Exception as problem:
            report(_WHERE, problem)
        yield value


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
        step = self._self_step
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
        self._self_step = step = self.__wrapped__.__iter__().__next__
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
