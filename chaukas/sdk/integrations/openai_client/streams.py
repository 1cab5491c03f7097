"""
Watch the streams of the openai client without taking their place.

The application's stream stays the object that the client made. Watched is the private
iterator inside of it, through which all ways of reading go, and where it is closed.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from chaukas.sdk.integrations.shared.streams import (
    ObservedIterator,
    ObservedStream,
    StreamObserver,
)
from chaukas.sdk.record.context import CURRENT
from chaukas.sdk.system.bounded import WeakMap
from chaukas.sdk.system.internal_errors import guarded
from chaukas.sdk.system.introspect import attributes_of

from .calls import ClientCall

if TYPE_CHECKING:
    from .calls import ClientCalls

__all__ = ["Streams"]

_OPEN_STREAMS = 65_536
_HOLDERS = ("response", "_response", "http_response")
"""Under which names streams and raw answers have their HTTP response."""


class _Observer(StreamObserver):
    """What records one stream."""

    __slots__ = ("_call", "_calls")

    def __init__(self, calls: ClientCalls, call: ClientCall) -> None:
        self._calls = calls
        self._call = call

    def item(self, value: Any) -> None:
        """Note a chunk."""
        self._calls.chunk(self._call, value)

    def ended(self) -> None:
        """End the call."""
        self._calls.exhausted(self._call)

    def failed(self, error: BaseException) -> None:
        """End the call as failed, or as left by its reader."""
        if isinstance(error, GeneratorExit):
            self._calls.left(self._call)
        else:
            self._calls.failed(self._call, error)


class Streams:
    """
    Wrappers around streams and raw answers of the client.

    Args:
        calls: Ends the pairs.
    """

    def __init__(self, calls: ClientCalls) -> None:
        self._calls = calls
        self._open: WeakMap[ClientCall] = WeakMap(_OPEN_STREAMS)
        """Calls whose answer is not read yet, by the HTTP response."""

    def chunks(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `Stream.__stream__`, which makes the iterator of a new stream."""
        inner = wrapped(*args, **kwargs)
        observer = self._observer_of(instance)
        return inner if observer is None else ObservedIterator(inner, observer)

    def chunks_async(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `AsyncStream.__stream__`."""
        inner = wrapped(*args, **kwargs)
        observer = self._observer_of(instance)
        return inner if observer is None else ObservedStream(inner, observer)

    @guarded(None, where="openai stream")
    def _observer_of(self, stream: Any) -> _Observer | None:
        """Return what records *stream*, if it is the answer to a call."""
        response = _http_response_of(stream)
        call: Any = self._open.get(response)
        if call is None:
            node = CURRENT.get()
            call = None if node is None else node.detail
            # The request that is under way makes its stream before it returns.
            if type(call) is not ClientCall or not call.is_open or call.is_left_open:
                return None
            self._leave_open(call, response)
        return _Observer(self._calls, call)

    def _leave_open(self, call: ClientCall, response: Any) -> None:
        """Have the call end when its answer is read, closed or dropped."""
        call.is_left_open = True
        self._open.put(response, call)

    def returned(self, call: ClientCall, value: Any) -> None:
        """End a call with what the request returned, unless that is read later."""
        if call.is_left_open or self._is_unread(call, value):
            return
        response = attributes_of(value).get("http_response")
        self._calls.answered(call, value if response is None else _content_of(response))

    @guarded(False, where="openai answer")
    def _is_unread(self, call: ClientCall, value: Any) -> bool:
        response = attributes_of(value).get("http_response")
        if response is None or _content_of(response) is not None:
            return False
        self._leave_open(call, response)
        # Of a stream that nobody makes, nothing else tells that it was dropped.
        weakref.finalize(response, self._calls.left, call).atexit = False
        return True

    def closed(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `close` of streams and of raw answers."""
        try:
            return wrapped(*args, **kwargs)
        finally:
            self._note_closed(instance)

    async def closed_async(
        self, wrapped: Any, instance: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Wrap the asynchronous `close`."""
        try:
            return await wrapped(*args, **kwargs)
        finally:
            self._note_closed(instance)

    @guarded(None, where="openai stream")
    def _note_closed(self, holder: Any) -> None:
        response = _http_response_of(holder)
        call = self._open.pop(response)
        if call is None:
            return
        if call.is_stream:
            self._calls.left(call)
        else:
            self._calls.answered(call, _content_of(response))


def _http_response_of(holder: Any) -> Any:
    """Return the HTTP response that a stream or a raw answer has, or None."""
    fields = attributes_of(holder)
    found = (fields.get(name) for name in _HOLDERS)
    return next((each for each in found if each is not None), None)


def _content_of(response: Any) -> Any:
    """Return the body of an HTTP response, if it was read."""
    return attributes_of(response).get("_content")
