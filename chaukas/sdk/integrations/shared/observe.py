"""
Observe a call from its begin to its end, whatever kind of function it is.

What is observed stays in force while the host's own code runs in it. An error of ours
is reported and the call goes on unobserved; what the host raises, cancels or closes
passes untouched.
"""

from __future__ import annotations

import sys
from functools import partial
from types import AsyncGeneratorType, GeneratorType
from typing import TYPE_CHECKING, Any

from chaukas.sdk.patching import in_place_of, is_most_derived
from chaukas.sdk.record.context import CURRENT, SUPPRESSED, Node, reset
from chaukas.sdk.system.internal_errors import attempt, report

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator
    from contextvars import Token
    from typing import TypeAlias

    from chaukas.sdk.patching import Wrap

__all__ = [
    "Noted",
    "Observation",
    "first_step",
    "observe",
    "observe_async",
    "observe_async_generator",
    "observe_generator",
    "observed_call",
    "outermost",
]


class Observation:
    """One call that is observed; what is not overridden notes nothing."""

    node: Node | Callable[[], Node | None] | None = None
    """Put in force while the call goes on: a node, or what returns the one of now."""

    def ended(self, result: Any) -> None:
        """Note that it returned *result*; of a generator, what that returned."""

    def failed(self, error: BaseException) -> None:
        """Note what it raised; `GeneratorExit` for one that was closed early."""

    def item(self, value: Any) -> None:
        """Note what a generator yielded."""

    def closing(self) -> None:
        """Note that a generator is about to be closed before it came to its end."""


class Noted(Observation):
    """
    One call of which only the result matters.

    Args:
        ended: Called with what it returned.
    """

    def __init__(self, ended: Callable[[Any], object]) -> None:
        self._ended = ended

    def ended(self, result: Any) -> None:
        """Hand the result on."""
        self._ended(result)


if TYPE_CHECKING:
    Begin: TypeAlias = Callable[[Any, tuple[Any, ...], dict[str, Any]], Any]


_UNOBSERVED = Observation()
"""What is passed through."""


def _begun(
    begin: Begin, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Observation | None:
    outer = CURRENT.get()
    # In a run that is not recorded nothing is, so nothing is looked at.
    if SUPPRESSED.get() or (outer is not None and not outer.run.sampled):
        return None
    try:
        seen: Observation | None = begin(instance, args, kwargs)
    except Exception as error:
        report(_name_of(begin), error)
        return None
    return seen


def _name_of(begin: Any) -> str:
    """Return the name of a function of ours, for reports."""
    function = begin.func if isinstance(begin, partial) else begin
    name: str = function.__qualname__
    return name


def _enter(seen: Observation) -> Token[Node | None] | None:
    """Put the node of *seen* in force."""
    node = seen.node
    if node is not None and not isinstance(node, Node):
        node = attempt("observe", node)
    return None if node is None else CURRENT.set(node)


def observe(begin: Begin) -> Wrap:
    """
    Return a wrapper of a plain function, as `Patch(wrap=…)` wants it.

    Args:
        begin: Called with instance, arguments and keywords before the function; it
            may change the keywords. Returns the `Observation`, or None for a call that
            is passed through.
    """

    def wrapper(
        wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        seen = _begun(begin, instance, args, kwargs)
        if seen is None:
            return wrapped(*args, **kwargs)
        token = _enter(seen)
        try:
            result = wrapped(*args, **kwargs)
        except BaseException as error:
            attempt("observe", seen.failed, error)
            raise
        finally:
            if token is not None:
                reset(token)
        try:
            seen.ended(result)
        except Exception as problem:
            report("observe", problem)
        return result

    return wrapper


def observe_async(begin: Begin) -> Wrap:
    """
    Return a wrapper of a coroutine function.

    Args:
        begin: As for `observe`; called when the coroutine is awaited.
    """
    return partial(observed_call, begin)


def observed_call(
    begin: Begin,
    wrapped: Any,
    instance: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Return what the host gets of one call of a coroutine function."""
    outer = CURRENT.get()
    if outer is not None and not outer.run.sampled:
        # The coroutine itself, without one of ours around it.
        return wrapped(*args, **kwargs)
    return in_place_of(partial(_observed, begin), wrapped, instance, args, kwargs)


async def _observed(
    begin: Begin,
    wrapped: Any,
    instance: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    seen = _begun(begin, instance, args, kwargs)
    if seen is None:
        return await wrapped(*args, **kwargs)
    token = _enter(seen)
    try:
        result = await wrapped(*args, **kwargs)
    except BaseException as error:
        attempt("observe", seen.failed, error)
        raise
    finally:
        if token is not None:
            reset(token)
    try:
        seen.ended(result)
    except Exception as problem:
        report("observe", problem)
    return result


def outermost(name: str, wrap: Wrap) -> Wrap:
    """
    Return *wrap* for the method *name* of a class and of those derived from it.

    What an override reaches by `super()` is passed through: it is a part of the call
    that is observed already.
    """

    def wrapper(
        wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if is_most_derived(wrapped, instance, name):
            return wrap(wrapped, instance, args, kwargs)
        return wrapped(*args, **kwargs)

    return wrapper


def observe_generator(begin: Begin) -> Wrap:
    """
    Return a wrapper of a generator function.

    The node is in force during each step and never between two of them. A function
    that returns another iterator is passed through.

    Args:
        begin: As for `observe`; called at the first step, so that a generator that
            nobody iterates leaves nothing.
    """

    def wrapper(
        wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        inner = wrapped(*args, **kwargs)
        if type(inner) is not GeneratorType:
            return inner
        outer: Any = _steps(inner, begin, instance, args, kwargs)
        outer.__name__, outer.__qualname__ = inner.__name__, inner.__qualname__
        return outer

    return wrapper


def _steps(
    inner: Generator[Any, Any, Any],
    begin: Begin,
    instance: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Generator[Any, Any, Any]:
    seen = _begun(begin, instance, args, kwargs) or _UNOBSERVED
    del instance, args, kwargs
    sent: Any = None
    thrown: BaseException | None = None
    closed: BaseException | None = None
    while True:
        token = _enter(seen)
        try:
            item = inner.send(sent) if thrown is None else inner.throw(thrown)
        except StopIteration as stop:
            _over(seen, stop.value, closed)
            return stop.value
        except BaseException as error:
            attempt("observe", seen.failed, error)
            raise
        finally:
            # An error and the frame that holds it are a circle.
            thrown = closed = None
            if token is not None:
                reset(token)
        attempt("observe", seen.item, item)
        sent = None
        try:
            sent = yield item
        except GeneratorExit as error:
            thrown = closed = error
            attempt("observe", seen.closing)
        except BaseException as error:
            thrown = error


def _note_of(seen: Observation) -> Callable[[Any], None] | None:
    """Return what notes an item, or None: it is asked for each chunk of a stream."""
    return None if type(seen).item is Observation.item else seen.item


def _over(seen: Observation, result: Any, closed: BaseException | None) -> None:
    """Tell how a generator ended that did not raise."""
    if closed is None:
        attempt("observe", seen.ended, result)
    else:
        attempt("observe", seen.failed, closed)


def observe_async_generator(begin: Begin) -> Wrap:
    """
    Return a wrapper of an asynchronous generator function.

    As `observe_generator`. The event loop knows one generator, as it did before: ours.

    Args:
        begin: As for `observe_generator`.
    """

    def wrapper(
        wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        inner = wrapped(*args, **kwargs)
        around = CURRENT.get()
        is_left_out = around is not None and not around.run.sampled
        if type(inner) is not AsyncGeneratorType or is_left_out:
            return inner
        outer: Any = _async_steps(inner, begin, instance, args, kwargs)
        outer.__name__, outer.__qualname__ = inner.__name__, inner.__qualname__
        return outer

    return wrapper


async def _async_steps(
    inner: AsyncGenerator[Any, Any],
    begin: Begin,
    instance: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> AsyncGenerator[Any, Any]:
    seen = _begun(begin, instance, args, kwargs) or _UNOBSERVED
    del instance, args, kwargs
    note, fixed = _note_of(seen), vars(seen).get("node")
    if type(fixed) is not Node:
        fixed = None
    sent: Any = None
    thrown: BaseException | None = None
    closed: BaseException | None = None
    step: Callable[[Any], Any] = partial(first_step, inner)
    while True:
        token = _enter(seen) if fixed is None else CURRENT.set(fixed)
        try:
            item = await (step(sent) if thrown is None else inner.athrow(thrown))
        except StopAsyncIteration:
            _over(seen, None, closed)
            return
        except BaseException as error:
            attempt("observe", seen.failed, error)
            raise
        finally:
            thrown = closed = None
            if token is not None:
                reset(token)
        step = inner.asend
        if note is not None:
            try:
                note(item)
            except Exception as problem:
                report("observe", problem)
        sent = None
        try:
            sent = yield item
        except GeneratorExit as error:
            thrown = closed = error
            attempt("observe", seen.closing)
        except BaseException as error:
            thrown = error


def first_step(inner: AsyncGenerator[Any, Any], sent: Any) -> Any:
    """
    Return the first step of *inner*, which the event loop is not told of.

    It would close the two of them side by side at its end, and complain that one is
    already running. Ours closes the other.
    """
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        return inner.asend(sent)
    finally:
        sys.set_asyncgen_hooks(*hooks)
