"""
Let a coroutine function of ours stand in the place of whatever the host has there.

In place of a coroutine function it makes a coroutine of the same name. A program may
define a method as a plain function as well, which returns a task, or raises at once:
such a one is called at once, and what it returned is handed out.
"""

from __future__ import annotations

from contextvars import copy_context
from functools import partial
from inspect import CO_COROUTINE, CO_ITERABLE_COROUTINE
from types import CoroutineType, FunctionType, GeneratorType, MethodType, coroutine
from typing import TYPE_CHECKING, Any

import wrapt

from chaukas.sdk.system.internal_errors import report
from chaukas.sdk.system.introspect import MISSING, looked_up

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from contextvars import Context, ContextVar
    from typing import TypeAlias

__all__ = ("LAYERS", "calling", "in_place_of")

LAYERS: set[type] = set()
"""The types of our wrappers, to look through."""

_OWN = "chaukas"
"""What the names of our context variables begin with."""

if TYPE_CHECKING:
    CoroutineWrap: TypeAlias = Callable[..., Coroutine[Any, Any, Any]]
    InForce: TypeAlias = list[tuple[ContextVar[Any], Any]]


def calling(wrap: Callable[..., Any]) -> Callable[..., Any]:
    """Return what a wrapper calls: *wrap*, with care if it is a coroutine function."""
    function = wrap.__func__ if type(wrap) is MethodType else wrap
    if type(function) is FunctionType and function.__code__.co_flags & CO_COROUTINE:
        return partial(in_place_of, wrap)
    return wrap


def in_place_of(
    wrap: CoroutineWrap,
    wrapped: Any,
    instance: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """
    Return what the host gets of a call that the coroutine function *wrap* observes.

    Args:
        wrap: Called as every wrapper; awaits nothing before what *wrapped* returned.
        wrapped: What it stands for, of any kind.
        instance: As wrappers are given it.
        args: Of the call.
        kwargs: Of the call.

    Returns:
        Of a coroutine function a coroutine. Of another function what it returned: a
        future itself, a coroutine for one, a proxy of what else can be awaited.
    """
    inner: Any = wrapped
    kind = type(inner)
    # Behind bindings, and wrappers of ours.
    while kind is MethodType or kind in LAYERS:
        inner = inner.__func__ if kind is MethodType else inner.__wrapped__
        kind = type(inner)
    if kind is FunctionType and inner.__code__.co_flags & CO_COROUTINE:
        made: Any = wrap(wrapped, instance, args, kwargs)
        made.__name__, made.__qualname__ = inner.__name__, inner.__qualname__
        return made
    return _called(wrap, wrapped, instance, args, kwargs)


# -- plain functions ------------------------------------------------------------------


class _Pause:
    """Lets go of a coroutine of ours once the host's function has returned."""

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield self)


_PAUSE = _Pause()


def _called(
    wrap: CoroutineWrap, wrapped: Any, instance: Any, args: Any, kwargs: Any
) -> Any:
    """Call a function that is no coroutine function, observed by *wrap*."""
    returned: list[Any] = []

    async def call(*given: Any, **options: Any) -> Any:
        result = wrapped(*given, **options)
        if not _is_awaitable(result):
            return result
        returned.append(result)
        if _is_future(result):
            # It holds this coroutine, which must not hold it.
            del result
            return await _PAUSE
        try:
            await _PAUSE
        except GeneratorExit:
            if type(result) is CoroutineType:
                # What stands in its place says that nobody awaited it.
                result.close()
            raise
        return await result

    observed = wrap(call, instance, args, kwargs)
    before, inside = copy_context(), copy_context()
    try:
        paused = inside.run(observed.send, None)
    except StopIteration as stop:
        return stop.value
    finally:
        in_force = _changed(before, inside)
    if paused is not _PAUSE:
        # It awaits something of its own first, which nobody would hear of.
        observed.close()
        return returned.pop() if returned else wrapped(*args, **kwargs)
    return _handed_out(observed, returned.pop(), in_force)


def _changed(before: Context, inside: Context) -> InForce:
    """Return what of ours a call put in force; what it changed of the host's stays."""
    ours: InForce = []
    for variable, value in inside.items():
        if before.get(variable, MISSING) is value:
            continue
        if variable.name.startswith(_OWN):
            ours.append((variable, value))
        else:
            variable.set(value)
    return ours


def _handed_out(
    observed: Coroutine[Any, Any, Any], result: Any, in_force: InForce
) -> Any:
    """Return what the host gets in place of an awaitable *result*, or that itself."""
    if _is_future(result):
        result.add_done_callback(partial(_settled, observed))
        return result
    if looked_up(type(result), "send") is MISSING:
        return _Awaitable(result, partial(_rest, observed, in_force))
    rest: Any = _rest(observed, in_force)
    if type(result) in (CoroutineType, GeneratorType):
        rest.__name__, rest.__qualname__ = result.__name__, result.__qualname__
    return rest


async def _rest(observed: Coroutine[Any, Any, Any], in_force: InForce) -> Any:
    """Go on with what was let go of, in whatever task it is awaited."""
    tokens = [variable.set(value) for variable, value in in_force]
    try:
        return await _resumed(observed)
    finally:
        for token in tokens:
            token.var.reset(token)


@coroutine
def _resumed(observed: Any) -> Generator[Any, Any, Any]:
    # An `await` would refuse a coroutine that is under way already.
    return (yield from observed)


# Only checkers know the base's type argument.
class _Awaitable(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """An awaitable of a kind of its own, observed the first time."""

    def __init__(self, awaitable: Any, first: Callable[[], Any]) -> None:
        super().__init__(awaitable)
        self._self_first: Callable[[], Any] | None = first

    def __await__(self) -> Any:
        first, self._self_first = self._self_first, None
        return (self.__wrapped__ if first is None else first()).__await__()


def _settled(observed: Coroutine[Any, Any, Any], future: Any) -> None:
    """Tell what observes a future how it ended."""
    try:
        if future.cancelled():
            error: BaseException | None = _cancelled_error()
        else:
            # Read so, it still counts as not retrieved: that is reported, as without.
            error = future._exception  # noqa: SLF001
        traceback = None if error is None else error.__traceback__
        try:
            if error is None:
                observed.send(future.result())
            else:
                observed.throw(error)
        except StopIteration:
            return
        except BaseException as raised:
            if raised is not error:
                raise
            # Ours are no frames that it passed through.
            error.__traceback__ = traceback
    except Exception as problem:
        report("a future", problem)


def _cancelled_error() -> BaseException:
    # Loaded by whoever made the future.
    from asyncio import CancelledError

    return CancelledError()


def _is_future(value: object) -> bool:
    return looked_up(type(value), "_asyncio_future_blocking") is not MISSING


def _is_awaitable(value: Any) -> bool:
    if type(value) is GeneratorType:
        return bool(value.gi_code.co_flags & CO_ITERABLE_COROUTINE)
    return looked_up(type(value), "__await__") is not MISSING
