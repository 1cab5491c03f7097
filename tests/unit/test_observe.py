"""Observing a call: what it tells, and that the call itself is as it was."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
import sys
import weakref
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from chaukas.sdk.integrations.shared.observe import (
    Observation,
    observe,
    observe_async,
    observe_async_generator,
    observe_generator,
)
from chaukas.sdk.patching import MonkeyPatcher, Patch
from chaukas.sdk.record.context import CURRENT, SUPPRESSED, Node, Run, Session, reset

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

_MODULE = "chaukas_observed"
_RUN = Run(Session("s", "tenant", "project"), "t" * 32)
KINDS = {
    "plain": observe,
    "async": observe_async,
    "generator": observe_generator,
    "async generator": observe_async_generator,
}


class Seen(Observation):
    """Notes what it is told."""

    def __init__(self, notes: list[Any]) -> None:
        self._notes = notes
        self.node = Node(_RUN, "a" * 16, "agent")

    def ended(self, result: Any) -> None:
        self._notes.append(("ended", result))

    def failed(self, error: BaseException) -> None:
        self._notes.append(("failed", type(error).__name__))

    def item(self, value: Any) -> None:
        self._notes.append(("item", value))


class Broken(Observation):
    """Fails whenever it is told something."""

    def ended(self, result: Any) -> None:
        raise ValueError("ours")

    def failed(self, error: BaseException) -> None:
        raise ValueError("ours")

    def item(self, value: Any) -> None:
        raise ValueError("ours")

    @staticmethod
    def node() -> Node:
        raise ValueError("ours")


def span() -> str:
    node = CURRENT.get()
    return "" if node is None else node.span_id


def plain(value: Any) -> Any:
    return body(value)


async def coroutine(value: Any) -> Any:
    return body(value)


def body(value: Any) -> Any:
    if isinstance(value, BaseException):
        raise value
    return value, span()


def generator(value: Any) -> Iterator[Any]:
    got = yield body(value)
    try:
        got = yield got, span()
    except KeyError as error:
        got = yield repr(error), span()
    return got


async def async_generator(value: Any) -> AsyncIterator[Any]:
    got = yield body(value)
    try:
        got = yield got, span()
    except KeyError as error:
        yield repr(error), span()


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "plain": plain,
    "async": coroutine,
    "generator": generator,
    "async generator": async_generator,
}


@pytest.fixture
def patched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Patch one of the functions above, and return it as the host finds it."""
    patcher = MonkeyPatcher()

    def patch(kind: str, begin: Any) -> Any:
        module = ModuleType(_MODULE)
        monkeypatch.setitem(sys.modules, _MODULE, module)
        vars(module)["work"] = FUNCTIONS[kind]
        patcher.install(Patch(f"{_MODULE}:work", KINDS[kind](begin)))
        return vars(module)["work"]

    yield patch
    patcher.undo_all()


def begin_with(notes: list[Any]) -> Any:
    def begin(_instance: Any, _args: Any, _kwargs: Any) -> Observation:
        notes.append("begun")
        return Seen(notes)

    return begin


def called(kind: str, work: Any, value: Any) -> Any:
    """Call it to its end, and return its result or what it yielded."""

    async def collect() -> list[Any]:
        return [item async for item in work(value)]

    if kind == "async":
        return asyncio.run(work(value))
    if kind == "generator":
        return list(work(value))
    return asyncio.run(collect()) if kind == "async generator" else work(value)


SPAN = "a" * 16
FIRST = (1, SPAN)
SECOND = (None, SPAN)
RESULTS = {
    "plain": (FIRST, ["begun", ("ended", FIRST)]),
    "async": (FIRST, ["begun", ("ended", FIRST)]),
    "generator": (
        [FIRST, SECOND],
        ["begun", ("item", FIRST), ("item", SECOND), ("ended", None)],
    ),
    "async generator": (
        [FIRST, SECOND],
        ["begun", ("item", FIRST), ("item", SECOND), ("ended", None)],
    ),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
def test_a_call_is_observed_with_its_node_in_force(kind: str, patched: Any) -> None:
    notes: list[Any] = []
    work = patched(kind, begin_with(notes))

    assert (called(kind, work, 1), notes) == RESULTS[kind]
    assert span() == ""


@every_kind
def test_the_function_answers_as_before(kind: str, patched: Any) -> None:
    bare, work = FUNCTIONS[kind], patched(kind, begin_with([]))
    questions = (
        inspect.isfunction,
        inspect.iscoroutinefunction,
        inspect.isgeneratorfunction,
        inspect.isasyncgenfunction,
        inspect.signature,
    )
    assert [ask(work) for ask in questions] == [ask(bare) for ask in questions]


@pytest.mark.parametrize("kind", ["generator", "async generator"])
def test_a_generator_is_one_of_the_same_kind_and_name(kind: str, patched: Any) -> None:
    bare, ours = FUNCTIONS[kind](1), patched(kind, begin_with([]))(1)

    assert type(ours) is type(bare)
    assert ours.__name__ == bare.__name__
    assert ours.__qualname__ == bare.__qualname__


@pytest.mark.parametrize("kind", ["generator", "async generator"])
def test_a_generator_that_nobody_iterates_leaves_nothing(
    kind: str, patched: Any
) -> None:
    notes: list[Any] = []
    work = patched(kind, begin_with(notes))
    work(1)
    gc.collect()
    assert notes == []
    with pytest.raises(TypeError):
        work(1, 2, 3)


@every_kind
@pytest.mark.parametrize(
    "error", [ValueError("x"), KeyboardInterrupt(), asyncio.CancelledError()]
)
def test_what_the_host_raises_passes_untouched(
    kind: str, error: BaseException, patched: Any
) -> None:
    notes: list[Any] = []
    work = patched(kind, begin_with(notes))
    raised = None
    step = {
        "plain": lambda: work(error),
        "async": lambda: work(error).send(None),
        "generator": lambda: next(work(error)),
        "async generator": lambda: work(error).__anext__().send(None),
    }[kind]
    try:
        step()
    except BaseException as caught:
        raised = caught
    assert raised is error
    assert notes == ["begun", ("failed", type(error).__name__)]
    assert span() == ""


@every_kind
def test_a_fault_of_ours_at_the_begin_lets_the_call_through(
    kind: str, patched: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAUKAS_RAISE_INTERNAL", "0")

    def begin(_instance: Any, _args: Any, _kwargs: Any) -> Observation:
        raise ValueError("ours")

    assert called(kind, patched(kind, begin), 1) == called(kind, FUNCTIONS[kind], 1)


@every_kind
def test_a_fault_of_ours_later_changes_nothing(
    kind: str, patched: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAUKAS_RAISE_INTERNAL", "0")
    work = patched(kind, lambda *_: Broken())

    assert called(kind, work, 1) == called(kind, FUNCTIONS[kind], 1)
    with pytest.raises(LookupError, match="host"):
        called(kind, work, LookupError("host"))


@every_kind
def test_what_is_suppressed_or_unknown_passes_through(kind: str, patched: Any) -> None:
    notes: list[Any] = []
    bare = called(kind, FUNCTIONS[kind], 1)
    token = SUPPRESSED.set(True)
    try:
        assert called(kind, patched(kind, begin_with(notes)), 1) == bare
    finally:
        reset(token)
    assert notes == []
    assert called(kind, patched(kind, lambda *_: None), 1) == bare


def test_the_begin_may_change_the_keywords(patched: Any) -> None:
    def begin(_instance: Any, _args: Any, kwargs: dict[str, Any]) -> None:
        kwargs["value"] = 2

    assert patched("plain", begin)(value=1) == (2, "")


# --- generators ------------------------------------------------------------------


def test_nothing_is_in_force_between_two_steps(patched: Any) -> None:
    steps = patched("generator", begin_with([]))(1)
    assert next(steps) == FIRST
    assert span() == ""
    assert next(steps) == SECOND
    assert span() == ""


def test_the_node_of_each_step_is_the_one_of_then(patched: Any) -> None:
    spans = iter(["b" * 16, "c" * 16, "d" * 16])

    class Moving(Observation):
        @staticmethod
        def node() -> Node:
            return Node(_RUN, next(spans), "agent")

    work = patched("generator", lambda *_: Moving())
    assert list(work(1)) == [(1, "b" * 16), (None, "c" * 16)]


def test_what_is_sent_and_thrown_reaches_the_generator(patched: Any) -> None:
    notes: list[Any] = []
    steps = patched("generator", begin_with(notes))(1)
    assert next(steps) == FIRST
    assert steps.send("sent") == ("sent", SPAN)
    assert steps.throw(KeyError("thrown")) == ("KeyError('thrown')", SPAN)
    with pytest.raises(StopIteration) as stopped:
        steps.send("last")
    assert stopped.value.value == "last"
    assert notes[-1] == ("ended", "last")


def test_what_is_sent_and_thrown_reaches_the_async_generator(patched: Any) -> None:
    notes: list[Any] = []
    work = patched("async generator", begin_with(notes))

    async def story() -> list[Any]:
        steps = work(1)
        got = [await steps.asend(None), await steps.asend("sent")]
        got.append(await steps.athrow(KeyError("thrown")))
        with pytest.raises(StopAsyncIteration):
            await steps.__anext__()
        return got

    assert asyncio.run(story()) == [FIRST, ("sent", SPAN), ("KeyError('thrown')", SPAN)]
    assert notes[-1] == ("ended", None)


def test_a_generator_that_is_left_early_is_closed_with_its_node(patched: Any) -> None:
    notes: list[Any] = []
    ends: list[str] = []

    def work() -> Iterator[int]:
        try:
            yield 1
            yield 2
        finally:
            ends.append(span())

    for _ in observe_generator(begin_with(notes))(work, None, (), {}):
        break
    gc.collect()
    assert ends == [SPAN]
    assert notes == ["begun", ("item", 1), ("failed", "GeneratorExit")]


def test_a_generator_may_answer_its_close() -> None:
    """What it does then is its own: end quietly, raise, or go on against the rule."""
    notes: list[Any] = []

    def work(answer: str) -> Iterator[Any]:
        try:
            yield 1
        except GeneratorExit:
            if answer == "raises":
                raise LookupError("host") from None
            if answer == "goes on":
                yield 2

    watched = observe_generator(begin_with(notes))

    def closed(answer: str) -> None:
        notes.clear()
        steps: Any = watched(work, None, (answer,), {})
        next(steps)
        steps.close()

    closed("ends")
    assert notes[-1] == ("failed", "GeneratorExit")
    with pytest.raises(LookupError, match="host"):
        closed("raises")
    assert notes[-1] == ("failed", "LookupError")
    with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
        closed("goes on")


def test_an_async_generator_may_be_closed_from_another_context(patched: Any) -> None:
    notes: list[Any] = []
    work = patched("async generator", begin_with(notes))

    async def story() -> None:
        steps = work(1)
        assert await steps.__anext__() == FIRST
        closing = contextvars.Context().run(asyncio.ensure_future, steps.aclose())
        await closing
        assert span() == ""

    asyncio.run(story())
    assert notes == ["begun", ("item", FIRST), ("failed", "GeneratorExit")]


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_consumer_that_just_breaks_closes_both_quietly(is_kept: bool) -> None:
    """Also the loop that ends over a generator that is still held."""
    notes: list[Any] = []
    complaints: list[Any] = []
    kept: list[Any] = []

    async def work() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            # As a client that closes its connection: it takes some turns.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            notes.append(("closed", span()))

    async def story() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, told: complaints.append(told))
        steps: Any = observe_async_generator(begin_with(notes))(work, None, (), {})
        async for _ in steps:
            break
        if is_kept:
            kept.append(steps)
        del steps
        for _ in range(0 if is_kept else 9):
            await asyncio.sleep(0)

    ended = ("failed", "GeneratorExit")
    asyncio.run(story())
    gc.collect()
    assert notes == ["begun", ("item", 1), ("closed", SPAN), ended]
    assert complaints == []


def test_two_runs_interleaved_in_one_task_keep_apart() -> None:
    def begin_as(letter: str) -> Any:
        def begin(*_: Any) -> Observation:
            seen = Observation()
            seen.node = Node(_RUN, letter * 16, "agent")
            return seen

        return begin

    async def work() -> AsyncIterator[str]:
        yield span()
        yield span()

    async def story() -> list[str]:
        one: Any = observe_async_generator(begin_as("b"))(work, None, (), {})
        two: Any = observe_async_generator(begin_as("c"))(work, None, (), {})
        got = [await steps.__anext__() for steps in (one, two, one, two)]
        await one.aclose()
        await two.aclose()
        return got

    assert asyncio.run(story()) == ["b" * 16, "c" * 16, "b" * 16, "c" * 16]


def test_another_iterator_is_handed_on_as_it_is() -> None:
    items = iter([1, 2])
    notes: list[Any] = []
    assert observe_generator(begin_with(notes))(lambda: items, None, (), {}) is items
    assert notes == []


def test_an_observed_error_keeps_no_frame_alive() -> None:
    """No circle is left: the collector of the host need not run for us."""

    class Held:
        pass

    gone: list[str] = []

    def work(held: Held) -> Iterator[int]:
        yield 1
        assert held

    gc.disable()
    try:
        held = Held()
        weakref.finalize(held, gone.append, "gone")
        steps: Any = observe_generator(begin_with([]))(work, None, (held,), {})
        next(steps)
        del held
        with pytest.raises(LookupError):
            steps.throw(LookupError("x"))
        del steps
        assert gone == ["gone"]
    finally:
        gc.enable()
