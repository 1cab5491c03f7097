"""A coroutine function of ours in the place of whatever a program has there."""

from __future__ import annotations

import asyncio
import gc
import inspect
import types
import warnings
from contextvars import ContextVar
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from chaukas.sdk.integrations.shared.observe import Observation, observe_async
from chaukas.sdk.patching import MonkeyPatcher, Patch
from chaukas.sdk.record.context import CURRENT, Node, Run, Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MODULE = "chaukas_awaited"
_NODE = Node(Run(Session("s", "tenant", "project"), "t" * 32), "a" * 16, "agent")
_HOSTS: ContextVar[str] = ContextVar("hosts", default="-")
Notes = list[Any]


class Seen(Observation):
    """Notes what it is told."""

    node = _NODE

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        notes.append("begun")

    def ended(self, result: Any) -> None:
        self._notes.append(("ended", result))

    def failed(self, error: BaseException) -> None:
        self._notes.append(("failed", type(error).__name__))


def _by_observe(notes: Notes) -> Any:
    return observe_async(lambda *_: Seen(notes))


def _by_coroutine(notes: Notes) -> Any:
    async def wrap(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
        notes.append("begun")
        token = CURRENT.set(_NODE)
        try:
            result = await wrapped(*args, **kwargs)
        except BaseException as error:
            notes.append(("failed", type(error).__name__))
            raise
        finally:
            try:
                CURRENT.reset(token)
            except ValueError:
                notes.append("elsewhere")
        notes.append(("ended", result))
        return result

    return wrap


@pytest.fixture(params=[_by_observe, _by_coroutine], ids=["observed", "coroutine"])
def placed(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Any], tuple[Any, Notes]]]:
    """Return what puts a function into a class, and a wrapper of ours around it."""
    patcher = MonkeyPatcher()

    def place(function: Any) -> tuple[Any, Notes]:
        notes: Notes = []
        module = ModuleType(_MODULE)
        module.Hosts = type("Hosts", (), {"ask": function})  # type: ignore[attr-defined]
        monkeypatch.setitem(__import__("sys").modules, _MODULE, module)
        patch = Patch(f"{_MODULE}:Hosts.ask", request.param(notes))
        assert patcher.install(patch) == "active"
        return module.Hosts(), notes

    yield place
    patcher.undo_all()


def _told(notes: Notes) -> Notes:
    """Return what the observer noted, but for where its variable was reset."""
    return [note for note in notes if note != "elsewhere"]


def test_a_coroutine_has_the_name_of_the_hosts_function(placed: Any) -> None:
    async def ask(self: Any) -> str:
        return "answer"

    hosts, notes = placed(ask)
    made = hosts.ask()
    assert (made.__name__, made.__qualname__) == ("ask", ask.__qualname__)
    assert notes == []
    assert asyncio.run(made) == "answer"
    assert notes == ["begun", ("ended", "answer")]


def test_one_that_is_never_awaited_is_reported_by_the_hosts_name(placed: Any) -> None:
    async def ask(self: Any) -> str:
        return "answer"

    def plain(self: Any) -> Any:
        return ask(self)

    for function in (ask, plain):
        hosts, _ = placed(function)
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            hosts.ask()
            gc.collect()
        assert [str(each.message).partition("\n")[0] for each in seen] == [
            f"coroutine {ask.__qualname__!r} was never awaited"
        ]


def test_a_task_is_handed_out_itself(placed: Any) -> None:
    in_force: list[Any] = []

    async def work() -> str:
        in_force.append(CURRENT.get())
        return "answer"

    def ask(self: Any) -> Any:
        self.task = asyncio.ensure_future(work())
        return self.task

    async def play() -> None:
        hosts, notes = placed(ask)
        task = hosts.ask()
        assert task is hosts.task
        assert CURRENT.get() is None
        assert await task == "answer"
        assert await task == "answer"
        await asyncio.sleep(0)
        assert _told(notes) == ["begun", ("ended", "answer")]
        assert in_force == [_NODE]

    asyncio.run(play())


def test_a_task_that_fails_keeps_its_error_and_its_frames(placed: Any) -> None:
    async def work() -> str:
        raise LookupError("hosts")

    def frames_of(error: BaseException) -> list[str]:
        found = (
            inspect.getinnerframes(error.__traceback__) if error.__traceback__ else ()
        )
        return [frame.function for frame in found]

    async def play(ask: Any) -> tuple[list[str], list[str], Any]:
        unseen: list[str] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, told: unseen.append(told["message"]))
        task = ask()
        await asyncio.wait([task])
        await asyncio.sleep(0)
        frames, context = frames_of(task._exception), task._exception.__context__
        del task
        gc.collect()
        return unseen, frames, context

    def ask(self: Any) -> Any:
        return asyncio.ensure_future(work())

    hosts, notes = placed(ask)
    assert asyncio.run(play(hosts.ask)) == asyncio.run(play(lambda: ask(None)))
    assert _told(notes) == ["begun", ("failed", "LookupError")]


def test_a_task_that_is_cancelled_is_noted_so(placed: Any) -> None:
    async def play() -> Notes:
        hosts, notes = placed(lambda self: asyncio.ensure_future(asyncio.sleep(60)))
        task = hosts.ask()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        await asyncio.sleep(0)
        assert task.cancelled()
        return notes

    assert _told(asyncio.run(play())) == ["begun", ("failed", "CancelledError")]


def test_what_raises_at_once_raises_at_once(placed: Any) -> None:
    def ask(self: Any) -> Any:
        raise LookupError("hosts")

    hosts, notes = placed(ask)
    with pytest.raises(LookupError, match="hosts"):
        hosts.ask()
    assert notes == ["begun", ("failed", "LookupError")]
    assert CURRENT.get() is None


def test_what_cannot_be_awaited_is_returned_at_once(placed: Any) -> None:
    hosts, notes = placed(lambda self: ["item"])
    assert hosts.ask() == ["item"]
    assert notes == ["begun", ("ended", ["item"])]


def test_a_plain_function_begins_at_its_call_and_its_coroutine_later(
    placed: Any,
) -> None:
    order: list[Any] = []

    async def work() -> str:
        order.append(("inside", CURRENT.get()))
        await asyncio.sleep(0)
        _HOSTS.set("later")
        return "answer"

    def ask(self: Any) -> Any:
        order.append(("called", CURRENT.get()))
        _HOSTS.set("at once")
        return work()

    async def play() -> None:
        hosts, notes = placed(ask)
        made = hosts.ask()
        assert inspect.iscoroutine(made)
        assert made.__qualname__ == work.__qualname__
        assert (_HOSTS.get(), CURRENT.get()) == ("at once", None)
        assert await made == "answer"
        assert (_HOSTS.get(), CURRENT.get()) == ("later", None)
        assert order == [("called", _NODE), ("inside", _NODE)]
        assert _told(notes) == ["begun", ("ended", "answer")]
        assert await asyncio.create_task(hosts.ask()) == "answer"
        assert order[3] == ("inside", _NODE)

    asyncio.run(play())


def test_an_awaitable_of_another_kind_stays_what_it_is(placed: Any) -> None:
    class Answer:
        kept = "kept"

        def __await__(self) -> Any:
            yield from asyncio.sleep(0).__await__()
            return "answer"

    async def play() -> None:
        hosts, notes = placed(lambda self: Answer())
        made = hosts.ask()
        assert isinstance(made, Answer)
        assert made.kept == "kept"
        assert [await made, await made] == ["answer", "answer"]
        assert _told(notes) == ["begun", ("ended", "answer")]

    asyncio.run(play())


def test_a_generator_that_can_be_awaited_is_observed(placed: Any) -> None:
    @types.coroutine
    def ask(self: Any) -> Any:
        yield
        return "answer"

    async def play() -> None:
        hosts, notes = placed(ask)
        assert await hosts.ask() == "answer"
        assert _told(notes) == ["begun", ("ended", "answer")]

    asyncio.run(play())


def test_what_is_dropped_before_it_is_awaited_ends(placed: Any) -> None:
    class Answer:
        def __await__(self) -> Any:
            yield
            return "answer"

    hosts, notes = placed(lambda self: Answer())
    hosts.ask()
    gc.collect()
    assert _told(notes) == ["begun", ("failed", "GeneratorExit")]


def test_a_callable_object_may_stand_there(placed: Any) -> None:
    class Asks:
        async def __call__(self) -> str:
            return "answer"

    hosts, notes = placed(Asks())
    assert asyncio.run(hosts.ask()) == "answer"
    assert _told(notes) == ["begun", ("ended", "answer")]


def test_two_wrappers_of_ours_begin_when_it_is_awaited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def ask(self: Any) -> str:
        return "answer"

    module = ModuleType(_MODULE)
    module.Hosts = type("Hosts", (), {"ask": ask})  # type: ignore[attr-defined]
    monkeypatch.setitem(__import__("sys").modules, _MODULE, module)
    notes: Notes = []
    patcher = MonkeyPatcher()
    for _ in range(2):
        patcher.install(Patch(f"{_MODULE}:Hosts.ask", _by_coroutine(notes)))
    made = module.Hosts().ask()
    assert notes == []
    assert made.__qualname__ == ask.__qualname__
    assert asyncio.run(made) == "answer"
    assert notes == ["begun", "begun", ("ended", "answer"), ("ended", "answer")]
    patcher.undo_all()


def test_what_awaits_something_of_its_own_first_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def wrap(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
        await asyncio.sleep(0)
        return await wrapped(*args, **kwargs)

    module = ModuleType(_MODULE)
    module.Hosts = type("Hosts", (), {"ask": lambda self: ["item"]})  # type: ignore[attr-defined]
    monkeypatch.setitem(__import__("sys").modules, _MODULE, module)
    patcher = MonkeyPatcher()
    patcher.install(Patch(f"{_MODULE}:Hosts.ask", wrap))
    assert module.Hosts().ask() == ["item"]
    patcher.undo_all()
