"""Prove that patched functions are the same to every eye, and that undo is complete."""

from __future__ import annotations

import abc
import asyncio
import collections.abc
import contextlib
import copy
import functools
import gc
import importlib
import importlib.util
import inspect
import itertools
import os
import pickle
import re
import subprocess
import sys
import textwrap
import threading
import traceback
import types
import typing
import weakref
from dataclasses import dataclass

import pytest
import wrapt

import chaukas.sdk as chaukas
from chaukas.sdk import patching
from chaukas.sdk.patching import MonkeyPatcher, Patch
from chaukas.sdk.patching.placed import PlacedFunction
from chaukas.sdk.testing import capture_events

TARGET = '''
"""A host's module with every kind of function."""
import abc
import functools

def function(a: int, b: int = 2) -> int:
    """Add two numbers."""
    if a < 0:
        raise ValueError(a)
    return a + b

async def coroutine(a: int, b: int = 2) -> int:
    """Add, later."""
    if a < 0:
        raise ValueError(a)
    return a + b

def generator(a: int, b: int = 2):
    """Yield two numbers."""
    yield a
    if a < 0:
        raise ValueError(a)
    yield b

async def async_generator(a: int, b: int = 2):
    """Yield two numbers, later."""
    try:
        yield a
        if a < 0:
            raise ValueError(a)
        yield b
    finally:
        closed.append(a)

def stream(a: int, b: int = 2):
    """Return an object that does the work."""
    return async_generator(a, b)

closed = []
alias = function
shared_default = [function]

class Thing:
    def __init__(self, base=0):
        self.base = base

    def __eq__(self, other):
        return type(other) is type(self) and other.base == self.base

    def __hash__(self):
        return hash(self.base)

    def method(self, a: int, b: int = 2) -> int:
        """Add to the base."""
        if a < 0:
            raise ValueError(a)
        return self.base + a + b

    async def async_method(self, a: int, b: int = 2) -> int:
        """Add to the base, later."""
        if a < 0:
            raise ValueError(a)
        return self.base + a + b

    def generator_method(self, a: int, b: int = 2):
        """Yield from the base."""
        yield self.base + a
        yield b

    @classmethod
    def class_method(cls, a: int, b: int = 2) -> tuple:
        """Say which class."""
        if a < 0:
            raise ValueError(a)
        return cls.__name__, a + b

    @classmethod
    async def async_class_method(cls, a: int, b: int = 2) -> tuple:
        """Say which class, later."""
        return cls.__name__, a + b

    @staticmethod
    def static_method(a: int, b: int = 2) -> int:
        """Add without a self."""
        if a < 0:
            raise ValueError(a)
        return a + b

    @staticmethod
    async def async_static_method(a: int, b: int = 2) -> int:
        """Add without a self, later."""
        return a + b

    @property
    def size(self):
        return self.base

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc):
        return False

    def __len__(self):
        return self.base

class Child(Thing):
    pass

class Model(abc.ABC):
    @abc.abstractmethod
    def answer(self, question): ...

class Plain(Model):
    def answer(self, question):
        return ["plain", question]

class Louder(Plain):
    def answer(self, question):
        return [*super().answer(question), "!"]

class Quiet(Plain):
    pass
'''
_names = itertools.count()


class Seen:
    """A recording wrapper, and what it saw."""

    def __init__(self):
        self.calls = []

    def __call__(self, wrapped, instance, args, kwargs):
        self.calls.append((wrapped, instance, args, kwargs))
        return wrapped(*args, **kwargs)

    def __len__(self):
        return len(self.calls)

    def __iter__(self):
        return iter(self.calls)


@pytest.fixture(autouse=True)
def loud(monkeypatch):
    """Let no error of ours be swallowed."""
    monkeypatch.setenv("CHAUKAS_RAISE_INTERNAL", "1")


@pytest.fixture
def write_package(tmp_path, monkeypatch):
    """Give a function that writes a package of the host, not yet imported."""
    monkeypatch.syspath_prepend(str(tmp_path))
    made = []

    def write(**modules):
        name = f"host_{next(_names)}"
        made.append(name)
        folder = tmp_path / name
        folder.mkdir()
        (folder / "__init__.py").write_text("")
        for module, text in modules.items():
            source = textwrap.dedent(text).replace("HOST", name)
            (folder / f"{module}.py").write_text(source)
        importlib.invalidate_caches()
        return name

    yield write
    for name in [key for key in sys.modules if key.partition(".")[0] in made]:
        del sys.modules[name]


@pytest.fixture
def host(write_package):
    """Give the module with every kind of function."""
    return importlib.import_module(f"{write_package(target=TARGET)}.target")


@pytest.fixture
def patcher():
    """Give a patcher that is undone at the end."""
    patcher = MonkeyPatcher()
    yield patcher
    patcher.undo_all()


def target(module, path):
    """Name a place in a module."""
    return f"{module.__name__}:{path}"


def raw_of(module, path):
    """Return what stands at a place, unbound."""
    holder, _, name = path.rpartition(".")
    return vars(getattr(module, holder) if holder else module)[name]


def drain(value):
    """Run what a call gave to its end, as a list."""
    if inspect.iscoroutine(value):
        return asyncio.run(value)
    if inspect.isasyncgen(value):

        async def collect():
            return [each async for each in value]

        return asyncio.run(collect())
    return list(value) if inspect.isgenerator(value) else value


def frames_of(error):
    """Return the frames of a traceback that are the host's or the test's."""
    ours = ("chaukas/sdk/", "asyncio/", "wrapt/")
    summary = traceback.extract_tb(error.__traceback__)
    kept = [f for f in summary if not any(part in f.filename for part in ours)]
    return [(f.filename, f.name, f.lineno) for f in kept if f.name != "__call__"]


PLAIN = ("function", "coroutine", "generator", "async_generator", "stream")
METHODS = (
    "Thing.method",
    "Thing.async_method",
    "Thing.generator_method",
    "Thing.class_method",
    "Thing.async_class_method",
    "Thing.static_method",
    "Thing.async_static_method",
)
BY_THEIR_METHODS = (
    *(
        getattr(collections.abc, name)
        for name in collections.abc.__all__
        if name != "ByteString"  # Deprecated.
    ),
    *(typing.SupportsAbs, typing.SupportsBytes, typing.SupportsComplex),
    *(typing.SupportsFloat, typing.SupportsIndex, typing.SupportsInt),
    typing.SupportsRound,
)
INHERITED = tuple(path.replace("Thing", "Child") for path in METHODS)
KINDS = (*PLAIN, *METHODS)
RAISING = (
    "function",
    "coroutine",
    "generator",
    "async_generator",
    "Thing.method",
    "Thing.async_method",
    "Thing.class_method",
    "Thing.static_method",
)


def reached(module, path):
    """Return a place as the host calls it, bound to an instance if it is a method."""
    holder, _, name = path.rpartition(".")
    return getattr(getattr(module, holder)(10) if holder else module, name)


class TestEachKind:
    """A patched function answers every question as the unpatched one."""

    @pytest.mark.parametrize("path", [*KINDS, *INHERITED])
    def test_the_result_is_the_same_and_the_wrapper_saw_the_call(
        self, host, patcher, path
    ):
        expected = drain(reached(host, path)(1, b=5))
        seen = Seen()

        assert patcher.install(Patch(target(host, path), seen)) == "active"

        assert drain(reached(host, path)(1, b=5)) == expected
        assert [(args, kwargs) for _, _, args, kwargs in seen] == [((1,), {"b": 5})]

    @pytest.mark.parametrize("path", RAISING)
    def test_an_error_is_the_hosts_with_its_own_frames(self, host, patcher, path):
        def raised():
            with pytest.raises(ValueError, match="-1") as caught:
                drain(reached(host, path)(-1))
            return caught.value

        control = raised()
        patcher.install(Patch(target(host, path), Seen()))
        error = raised()

        assert type(error) is type(control)
        assert error.args == control.args
        assert error.__context__ is None
        assert error.__cause__ is None
        assert frames_of(error) == frames_of(control)

    @pytest.mark.parametrize("path", KINDS)
    def test_inspection_tells_the_same(self, host, patcher, path):
        def told():
            function = reached(host, path)
            return {
                "signature": str(inspect.signature(function)),
                "doc": function.__doc__,
                "name": (function.__name__, function.__qualname__),
                "module": function.__module__,
                "hints": typing.get_type_hints(function),
                "coroutine": inspect.iscoroutinefunction(function),
                "generator": inspect.isgeneratorfunction(function),
                "asyncgen": inspect.isasyncgenfunction(function),
                "function": isinstance(function, types.FunctionType),
                "method": isinstance(function, types.MethodType),
                "routine": inspect.isroutine(function),
                "class": function.__class__,
                "source": inspect.getsource(function),
                "defaults": inspect.unwrap(function).__defaults__,
                "repr": re.sub("0x[0-9a-f]+", "", f"{function!r} {function}"),
                "is": [kind for kind in BY_THEIR_METHODS if isinstance(function, kind)],
            }

        control = told()
        patcher.install(Patch(target(host, path), Seen()))

        assert told() == control

    @pytest.mark.parametrize("path", KINDS)
    def test_who_asks_our_classes_for_annotations_hides_none(self, host, patcher, path):
        control = typing.get_type_hints(reached(host, path))
        patcher.install(Patch(target(host, path), Seen()))
        placed = reached(host, path)

        # As some libraries do with any class; Python keeps what it answers.
        for kind in type(placed).__mro__:
            getattr(kind, "__annotations__", None)

        assert typing.get_type_hints(placed) == control

    @pytest.mark.parametrize("path", METHODS)
    def test_the_kind_of_descriptor_is_kept(self, host, patcher, path):
        original = raw_of(host, path)
        patcher.install(Patch(target(host, path), Seen()))
        placed = raw_of(host, path)

        for kind in (classmethod, staticmethod, types.FunctionType):
            assert isinstance(placed, kind) is isinstance(original, kind)

    def test_a_static_method_is_one_for_who_looks_past_descriptors(self, host, patcher):
        original = vars(host.Thing)["static_method"]
        patcher.install(Patch(target(host, "Thing.static_method"), Seen()))

        assert type(inspect.getattr_static(host.Thing, "static_method")) is staticmethod
        assert host.Thing.static_method is host.Thing.static_method

        patcher.undo_all()
        assert vars(host.Thing)["static_method"] is original

    def test_the_wrapper_is_told_instance_or_class(self, host, patcher):
        seen = Seen()
        for name in ("method", "class_method", "static_method"):
            patcher.install(Patch(target(host, f"Thing.{name}"), seen))
        thing = host.Thing(3)

        thing.method(1)
        host.Thing.method(thing, 1)
        host.Child.class_method(1)
        thing.static_method(1)

        assert [instance for _, instance, _, _ in seen] == [
            thing,
            thing,
            host.Child,
            None,
        ]
        assert all(args == (1,) for _, _, args, _ in seen)

    def test_special_methods_are_found_on_the_type(self, host, patcher):
        seen = Seen()
        for name in ("__init__", "__len__", "__aenter__"):
            patcher.install(Patch(target(host, f"Thing.{name}"), seen))

        async def enter():
            async with host.Child(4) as thing:
                return thing

        assert len(asyncio.run(enter())) == 4
        assert len(seen) == 3

    @pytest.mark.parametrize("path", ["coroutine", "Thing.async_method"])
    def test_a_cancelled_coroutine_is_cancelled(self, host, patcher, path):
        patcher.install(Patch(target(host, path), Seen()))

        async def cancel():
            task = asyncio.ensure_future(reached(host, path)(1))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return task.cancelled()

        assert asyncio.run(cancel())

    @pytest.mark.parametrize("path", ["async_generator", "stream"])
    def test_an_abandoned_stream_is_closed_once(self, host, patcher, path):
        patcher.install(Patch(target(host, path), Seen()))

        async def abandon():
            stream = reached(host, path)(1)
            async for _ in stream:
                break
            await stream.aclose()

        asyncio.run(abandon())

        assert host.closed == [1]

    def test_an_abandoned_generator_is_closed(self, host, patcher):
        patcher.install(Patch(target(host, "generator"), Seen()))
        generator = host.generator(1)

        assert next(generator) == 1
        generator.close()
        assert list(generator) == []

    def test_an_async_wrapper_is_awaited_in_place_of_the_target(self, host, patcher):
        async def double(wrapped, _instance, args, kwargs):
            return 2 * await wrapped(*args, **kwargs)

        patcher.install(Patch(target(host, "coroutine"), double))

        assert asyncio.run(host.coroutine(1)) == 6

    def test_ctrl_c_in_the_target_passes(self, host, patcher):
        patcher.install(Patch(target(host, "Thing.__len__"), Seen()))

        class Interrupted(host.Thing):
            def __len__(self):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            len(Interrupted())


class TestPickleAndCopy:
    """What could be pickled or copied still can, and loads without chaukas."""

    CASES = (
        ("function", lambda h: h.function),
        ("coroutine", lambda h: h.coroutine),
        ("Thing.method", lambda h: h.Thing(3).method),
        ("Thing.method", lambda h: h.Thing.method),
        ("Thing.class_method", lambda h: h.Child.class_method),
        ("Thing.static_method", lambda h: h.Thing.static_method),
        ("Thing.static_method", lambda h: h.Thing(3).static_method),
    )

    @pytest.mark.parametrize(("path", "get"), CASES)
    @pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
    def test_pickles_load_before_and_after_undo(
        self, host, patcher, path, get, protocol
    ):
        expected = drain_args(get(host))
        patcher.install(Patch(target(host, path), Seen()))
        data = pickle.dumps(get(host), protocol)

        assert drain_args(pickle.loads(data)) == expected
        patcher.undo_all()
        assert drain_args(pickle.loads(data)) == expected
        assert type(pickle.loads(data)) in (types.FunctionType, types.MethodType)
        assert b"chaukas" not in data

    def test_a_module_function_comes_back_as_the_same_object(self, host, patcher):
        patcher.install(Patch(target(host, "function"), Seen()))

        assert pickle.loads(pickle.dumps(host.function)) is host.function

    def test_deep_copies_behave_as_of_functions(self, host, patcher):
        for path in ("function", "Thing.method", "Thing.class_method"):
            patcher.install(Patch(target(host, path), Seen()))
        thing = host.Thing(3)
        copied = copy.deepcopy({"f": host.function, "m": thing.method, "t": thing})

        assert copied["f"] is host.function
        assert copied["m"].__self__ is copied["t"]
        assert copied["m"].__self__ is not thing
        assert copied["m"](1) == 6
        assert copy.copy(host.function) is host.function
        assert copy.copy(thing.method) == thing.method
        assert copy.deepcopy(host.Thing.class_method)(1) == ("Thing", 3)
        assert copy.deepcopy(host.Thing.method)(thing, 1) == 6

    def test_a_callable_that_is_no_function_pickles_as_before(self, host, patcher):
        host.partial = functools.partial(host.function, 1)
        data = pickle.dumps(host.partial)
        patcher.install(Patch(target(host, "partial"), Seen()))

        assert pickle.dumps(host.partial) == data
        assert pickle.loads(data)() == 3

    def test_equality_and_hash_of_methods_hold(self, host, patcher):
        thing = host.Thing(3)
        before = thing.method
        patcher.install(Patch(target(host, "Thing.method"), Seen()))

        assert thing.method == thing.method
        assert hash(thing.method) == hash(before)
        assert {thing.method, thing.method, before} == {before}


def drain_args(function):
    """Call with an argument that suits every case."""
    takes_self = "self" in inspect.signature(function).parameters
    if takes_self:
        owner = sys.modules[function.__module__].Thing
        return drain(function(owner(10), 1))
    return drain(function(1))


class TestIdentity:
    """A method asked of its class is one object, as a function is."""

    def test_a_method_is_itself_by_way_of_every_class(self, host, patcher):
        class Heir(host.Thing):
            """Inherits the method."""

        patcher.install(Patch(target(host, "Thing.method"), Seen()))

        assert host.Thing.method is host.Thing.method
        assert Heir.method is host.Thing.method

        patcher.install(Patch(target(host, "Thing.method"), Seen()))

        assert host.Thing.method is host.Thing.method
        assert Heir.method is host.Thing.method

    def test_the_function_of_a_method_is_what_its_class_holds(self, host, patcher):
        seen = Seen()
        patcher.install(Patch(target(host, "Thing.method"), seen))
        thing = host.Thing(3)

        function = thing.method.__func__

        # Who puts a layer on an object takes the function and calls it with that.
        assert function is host.Thing.method
        assert types.MethodType(function, thing)(1) == thing.method(1)
        assert len(seen.calls) == 2
        assert not hasattr(host.Thing.method, "__func__")

    def test_a_second_layer_is_not_lost_with_the_function(self, host, patcher):
        inner, outer = Seen(), Seen()
        patcher.install(Patch(target(host, "Thing.method"), inner))
        patcher.install(Patch(target(host, "Thing.method"), outer))
        thing = host.Thing(3)

        assert types.MethodType(thing.method.__func__, thing)(1) == thing.method(1)
        assert (len(inner.calls), len(outer.calls)) == (2, 2)

    def test_an_overridden_method_is_another(self, host, patcher):
        class Heir(host.Thing):
            """Has its own."""

            def method(self):
                """Differ."""

        patcher.install(Patch(target(host, "Thing.method"), Seen()))

        assert Heir.method is not host.Thing.method

    @pytest.mark.parametrize("layers", [1, 2])
    def test_asking_an_heir_first_keeps_no_reference_to_it(self, host, patcher, layers):
        heir = type("Heir", (host.Thing,), {})
        for _ in range(layers):
            patcher.install(Patch(target(host, "Thing.method"), Seen()))
        assert heir.method is host.Thing.method
        dying = weakref.ref(heir)

        del heir
        gc.collect()

        assert dying() is None


class TestWeakMethods:
    """A host that keeps a method weakly keeps a patched one just so."""

    CASES = (
        ("Thing.method", lambda h, t: t.method),
        ("Thing.async_method", lambda h, t: t.async_method),
        ("Thing.class_method", lambda h, t: h.Child.class_method),
        ("Thing.class_method", lambda h, t: t.class_method),
    )

    @pytest.mark.parametrize(("path", "get"), CASES)
    def test_a_weak_method_answers_as_of_any_method_and_is_wrapped(
        self, host, patcher, path, get
    ):
        thing = host.Thing(3)
        expected = self.facts_of(get(host, thing))
        seen = Seen()
        patcher.install(Patch(target(host, path), seen))

        assert self.facts_of(get(host, thing)) == expected
        assert len(seen) == 1

    @pytest.mark.parametrize(("path", "get"), CASES)
    def test_a_weak_method_outlives_the_undo(self, host, patcher, path, get):
        thing = host.Thing(3)
        expected = self.facts_of(get(host, thing))
        inner, outer = Seen(), Seen()
        patcher.install(Patch(target(host, path), inner))
        first = weakref.WeakMethod(get(host, thing))
        patcher.install(Patch(target(host, path), outer))
        second = weakref.WeakMethod(get(host, thing))

        patcher.undo_all()
        gc.collect()

        assert [self.facts_of(first()), self.facts_of(second())] == [expected] * 2
        assert not [*inner, *outer]

    def test_a_weak_method_dies_with_its_object(self, host, patcher):
        patcher.install(Patch(target(host, "Thing.method"), Seen()))
        thing, died = host.Thing(3), []
        weak = weakref.WeakMethod(thing.method, died.append)

        del thing
        gc.collect()

        assert weak() is None
        assert died == [weak]

    def test_what_no_weak_method_needs_is_gone_after_the_undo(self, host, patcher):
        patcher.install(Patch(target(host, "Thing.method"), Seen()))
        thing = host.Thing(3)
        placed = weakref.ref(raw_of(host, "Thing.method"))
        weak = weakref.WeakMethod(thing.method)
        patcher.undo_all()
        assert weak() == thing.method
        del weak

        patcher.install(Patch(target(host, "Thing.method"), Seen()))
        patcher.undo_all()
        gc.collect()

        assert placed() is None

    def test_the_type_of_a_method_refuses_what_the_type_of_methods_does(
        self, host, patcher
    ):
        patcher.install(Patch(target(host, "Thing.method"), Seen()))
        method = host.Thing(3).method

        with pytest.raises(TypeError):
            type(method)(method.__func__, None)
        with pytest.raises(TypeError):
            type(method)()

    @staticmethod
    def facts_of(method):
        """Return what comes back of a weak reference to a method."""
        weak = weakref.WeakMethod(method)
        back = weak()
        return (
            drain(back(1)),
            back == method,
            hash(back) == hash(method),
            weak == weakref.WeakMethod(method),
            back.__self__ is method.__self__,
            back.__func__ is method.__func__,
            inspect.ismethod(back),
        )


class TestUndo:
    """Undo puts back the very objects, or steps aside."""

    @pytest.mark.parametrize("path", KINDS)
    def test_the_original_is_restored_by_identity(self, host, patcher, path):
        original = raw_of(host, path)
        patcher.install(Patch(target(host, path), Seen()))
        assert raw_of(host, path) is not original

        patcher.undo_all()

        assert raw_of(host, path) is original
        assert patcher.outcomes == {}

    def test_an_inherited_method_leaves_nothing_behind(self, host, patcher):
        before = dict(vars(host.Child))
        patcher.install(Patch(target(host, "Child.method"), Seen()))
        assert "method" in vars(host.Child)

        patcher.undo_all()

        assert dict(vars(host.Child)) == before

    def test_a_wrapper_that_someone_put_on_top_stays(self, host, patcher):
        seen, theirs = Seen(), []
        patcher.install(Patch(target(host, "function"), seen))
        ours = host.function

        def on_top(*args, **kwargs):
            theirs.append(args)
            return ours(*args, **kwargs)

        host.function = on_top
        patcher.undo_all()

        assert host.function is on_top
        assert host.function(1) == 3
        assert (len(theirs), len(seen)) == (1, 0)

    def test_our_leftover_is_removed_when_theirs_has_gone(self, host, patcher):
        original = host.function
        patcher.install(Patch(target(host, "function"), Seen()))
        ours = host.function
        host.function = functools.partial(ours)
        patcher.undo_all()
        host.function = ours
        seen = Seen()

        patcher.install(Patch(target(host, "function"), seen))
        host.function(1)
        assert len(seen) == 1
        patcher.undo_all()

        assert host.function is original

    def test_a_leftover_on_an_inherited_method_is_removed_too(self, host, patcher):
        patch = Patch(target(host, "Child.method"), Seen())
        patcher.install(patch)
        ours = vars(host.Child)["method"]
        host.Child.method = lambda self, a: a
        patcher.undo_all()
        host.Child.method = ours

        patcher.install(patch)
        patcher.undo_all()

        assert "method" not in vars(host.Child)

    def test_a_saved_bound_method_passes_straight_through(self, host, patcher):
        seen = Seen()
        patcher.install(Patch(target(host, "Thing.method"), seen))
        saved = host.Thing(3).method
        saved(1)

        patcher.undo_all()

        assert saved(1) == 6
        assert len(seen) == 1

    def test_a_function_taken_by_value_passes_straight_through(self, host, patcher):
        seen = Seen()
        patcher.install(Patch(target(host, "coroutine"), seen))
        taken = host.coroutine
        patcher.undo_all()

        assert asyncio.run(taken(1)) == 3
        assert not seen

    def test_a_stack_of_patches_comes_off_in_reverse(self, host, patcher):
        order = []

        def noting(mark):
            def wrap(wrapped, _instance, args, kwargs):
                order.append(mark)
                return wrapped(*args, **kwargs)

            return wrap

        original = host.function
        for mark in "ab":
            patcher.install(Patch(target(host, "function"), noting(mark)))
        host.function(1)
        patcher.undo_all()

        assert order == ["b", "a"]
        assert host.function is original

    @pytest.mark.parametrize("first", [0, 1])
    def test_two_patchers_may_leave_in_any_order(self, host, first):
        original, seen = host.function, (Seen(), Seen())
        patchers = (MonkeyPatcher(), MonkeyPatcher())
        for each, record in zip(patchers, seen, strict=True):
            each.install(Patch(target(host, "function"), record))

        patchers[first].undo_all()
        host.function(1)
        assert [len(record) for record in seen] == [first, 1 - first]
        patchers[1 - first].undo_all()

        assert host.function is original

    def test_a_thousand_rounds_leave_no_layers(self, host, patcher):
        patches = [
            Patch(target(host, "function"), Seen(), everywhere=True),
            Patch(target(host, "Model.answer"), Seen(), subclasses=True),
        ]
        before = (dict(vars(host)), dict(vars(host.Model)), dict(vars(host.Louder)))

        for _ in range(1000):
            for patch in patches:
                assert patcher.install(patch) == "active"
            patcher.undo_all()

        after = (dict(vars(host)), dict(vars(host.Model)), dict(vars(host.Louder)))
        assert after == before

    def test_undo_without_install_does_nothing(self):
        MonkeyPatcher().undo_all()

    def test_a_place_that_resists_does_not_keep_the_others(
        self, host, patcher, monkeypatch
    ):
        monkeypatch.delenv("CHAUKAS_RAISE_INTERNAL")
        original, seen = host.function, Seen()
        for path in ("function", "coroutine"):
            patcher.install(Patch(target(host, path), seen))
        restore = patching.restore

        def refusing(holder, name, switch):
            if name == "coroutine":
                raise TypeError
            restore(holder, name, switch)

        monkeypatch.setattr(patching, "restore", refusing)
        patcher.undo_all()

        assert host.function is original
        assert asyncio.run(host.coroutine(1)) == 3
        assert not seen


class TestInstall:
    """Installing is idempotent and takes no for an answer."""

    def test_twice_is_once(self, host, patcher):
        seen = Seen()
        patch = Patch(target(host, "function"), seen)

        assert [patcher.install(patch) for _ in range(3)] == ["active"] * 3
        host.function(1)

        assert len(seen) == 1

    def test_the_same_wrap_from_two_patchers_is_once(self, host, patcher):
        seen, second = Seen(), MonkeyPatcher()
        patch = Patch(target(host, "Thing.method"), seen)
        patcher.install(patch)

        assert second.install(patch) == "active"
        host.Thing().method(1)

        assert len(seen) == 1
        second.undo_all()

    @pytest.mark.parametrize("name", ["method", "class_method", "static_method"])
    def test_a_wrap_beneath_a_decorator_is_found(self, host, patcher, name):
        seen, second = Seen(), MonkeyPatcher()
        patch = Patch(target(host, f"Thing.{name}"), seen)
        kind = type(vars(host.Thing)[name])
        patcher.install(patch)
        ours = vars(host.Thing)[name]

        @functools.wraps(ours)
        def decorated(*args):
            return ours.__get__(None, host.Thing)(*args)

        on_top = decorated if kind is types.FunctionType else kind(decorated)
        setattr(host.Thing, name, on_top)

        assert second.install(patch) == "active"
        assert vars(host.Thing)[name] is on_top

    @pytest.mark.parametrize("name", ["method", "class_method", "static_method"])
    def test_a_wrap_beneath_a_wrapper_of_another_tool_is_found(
        self, host, patcher, name
    ):
        seen = Seen()
        patcher.install(Patch(target(host, f"Thing.{name}"), seen))
        wrapt.wrap_function_wrapper(
            host, f"Thing.{name}", lambda wrapped, _, args, options: wrapped(*args)
        )
        on_top = vars(host.Thing)[name]
        patcher.renew()
        assert vars(host.Thing)[name] is on_top

    def test_what_fails_half_way_is_undone_whole(self, host, patcher, monkeypatch):
        monkeypatch.delenv("CHAUKAS_RAISE_INTERNAL")
        original = host.function

        def failing(_top):
            raise LookupError

        monkeypatch.setattr(patching, "namespaces_of", failing)
        monkeypatch.setattr(patching.names, "namespaces_of", failing)
        patch = Patch(target(host, "function"), Seen(), everywhere=True)

        assert patcher.install(patch) == "missing"
        with patcher.installing():
            assert patcher.install(patch) == "missing"
        assert host.function is original
        monkeypatch.undo()
        assert patcher.install(patch) == "active"

    def test_a_forked_child_does_not_wait_for_a_thread_that_is_gone(self):
        script = """
            import os, signal, sys, threading
            from chaukas.sdk import patching
            held, stop = threading.Event(), threading.Event()
            def hold():
                with patching._lock:
                    held.set()
                    stop.wait()
            threading.Thread(target=hold, daemon=True).start()
            held.wait()
            pid = os.fork()
            if pid == 0:
                signal.alarm(20)
                patching.MonkeyPatcher().undo_all()
                os._exit(7)
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            stop.set()
            """
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )

        assert (done.stdout.strip(), done.stderr) == ("7", "")

    @pytest.mark.parametrize(
        "path",
        [
            "renamed",
            "Thing.renamed",
            "Renamed.method",
            "Thing.size",
            "Thing",
            "closed",
            "function.inner",
            "",
        ],
    )
    def test_what_is_not_a_function_is_missing(self, host, patcher, path):
        before = dict(vars(host)), dict(vars(host.Thing))

        assert patcher.install(Patch(target(host, path), Seen())) == "missing"

        assert (dict(vars(host)), dict(vars(host.Thing))) == before
        assert patcher.outcomes == {target(host, path): "missing"}

    @pytest.mark.parametrize(
        "body", ["raise RuntimeError", "import nowhere_at_all", "def broken(:"]
    )
    def test_a_module_that_cannot_be_imported_is_missing(
        self, write_package, patcher, body
    ):
        name = write_package(broken=body)

        assert patcher.install(Patch(f"{name}.broken:f", Seen())) == "missing"
        assert patcher.install(Patch(f"{name}.absent:f", Seen())) == "missing"

    def test_a_missing_patch_may_be_tried_again(self, host, patcher):
        patch = Patch(target(host, "later"), Seen())
        assert patcher.install(patch) == "missing"

        host.later = lambda: 1

        assert patcher.install(patch) == "active"

    def test_a_builtin_class_is_left_alone(self, patcher, monkeypatch):
        monkeypatch.delenv("CHAUKAS_RAISE_INTERNAL")

        assert patcher.install(Patch("builtins:dict.get", Seen())) == "missing"
        assert type(vars(dict)["get"]) is types.MethodDescriptorType

    def test_metaclasses_and_module_getattr_are_not_asked(self, write_package, patcher):
        name = write_package(
            guarded="""
            asked = []
            class Meta(type):
                def __setattr__(cls, name, value):
                    asked.append(name)
                def __delattr__(cls, name):
                    asked.append(name)
                def __getattribute__(cls, name):
                    asked.append(name)
                    return super().__getattribute__(name)
                def __eq__(cls, other):
                    asked.append("eq")
                    return True
                def __hash__(cls):
                    asked.append("hash")
                    return 1
            class Guarded(metaclass=Meta):
                def method(self): return 1
            class Below(Guarded):
                def method(self): return 2
            """
        )
        module = importlib.import_module(f"{name}.guarded")
        module.asked.clear()
        seen = Seen()

        patcher.install(Patch(target(module, "Guarded.method"), seen))
        patcher.install(Patch(target(module, "Guarded.method"), seen, subclasses=True))
        assert module.asked == []
        assert (module.Guarded().method(), module.Below().method()) == (1, 2)
        assert len(seen) == 2
        module.asked.clear()
        patcher.undo_all()

        assert module.asked == []

    def test_a_wrapped_target_of_another_tool_is_wrapped_again(self, host, patcher):
        theirs, seen = Seen(), Seen()
        wrapt.wrap_function_wrapper(host, "Thing.class_method", theirs)
        patcher.install(Patch(target(host, "Thing.class_method"), seen))

        assert host.Child.class_method(1) == ("Child", 3)
        assert (len(theirs), len(seen)) == (1, 1)
        assert seen.calls[0][1] is host.Child

    def test_threads_that_install_and_undo_leave_a_clean_host(self, host, patcher):
        original, start = host.function, threading.Barrier(4)
        patch = Patch(target(host, "function"), Seen(), everywhere=True)
        answers = []

        def churn():
            start.wait(60)
            for _ in range(200):
                patcher.install(patch)
                answers.append(host.function(1))
                patcher.undo_all()

        threads = [threading.Thread(target=churn) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

        assert answers == [3] * 800
        assert host.function is original
        assert host.alias is original


class TestEverywhere:
    """A module's function is replaced under every name it goes by."""

    @pytest.fixture(params=["one by one", "together"])
    def patcher(self, request, patcher):
        if request.param == "one by one":
            yield patcher
            return
        with patcher.installing():
            yield patcher

    @pytest.fixture
    def package(self, write_package):
        name = write_package(
            source="def work(a): return a + 1\n",
            reader="from HOST.source import work\nfrom HOST.source import work as w2\n",
            late="from HOST.source import work\n",
        )
        importlib.import_module(f"{name}.reader")
        return name

    def test_names_imported_by_value_are_replaced_and_restored(self, package, patcher):
        source, reader = (sys.modules[f"{package}.{n}"] for n in ("source", "reader"))
        original, seen = source.work, Seen()

        patcher.install(Patch(f"{package}.source:work", seen, everywhere=True))
        assert [reader.work(1), reader.w2(1), source.work(1)] == [2, 2, 2]
        assert len(seen) == 3
        patcher.undo_all()

        assert {id(source.work), id(reader.work), id(reader.w2)} == {id(original)}

    def test_names_that_come_between_two_patches_are_replaced(
        self, write_package, patcher
    ):
        name = write_package(
            source="def work(a): return a + 1\ndef rest(a): return a\n",
            reader="from HOST.source import work\n",
            late="from HOST.source import rest\n",
        )
        reader = importlib.import_module(f"{name}.reader")
        source, seen = sys.modules[f"{name}.source"], Seen()

        patcher.install(Patch(f"{name}.source:work", Seen(), everywhere=True))
        late = importlib.import_module(f"{name}.late")
        patcher.install(Patch(f"{name}.source:rest", seen, everywhere=True))
        assert late.rest(1) == 1
        patcher.undo_all()
        reader.rest = source.rest
        patcher.install(Patch(f"{name}.source:rest", seen, everywhere=True))
        assert reader.rest(1) == 1
        patcher.undo_all()

        assert len(seen) == 2
        assert late.rest is reader.rest is source.rest

    def test_a_module_loaded_later_is_restored_too(self, package, patcher):
        original = sys.modules[f"{package}.source"].work
        patcher.install(Patch(f"{package}.source:work", Seen(), everywhere=True))
        late = importlib.import_module(f"{package}.late")
        assert late.work is not original

        patcher.undo_all()

        assert late.work is original

    def test_other_packages_and_foreign_objects_are_left_alone(
        self, package, patcher, monkeypatch
    ):
        class Foreign:
            def __getattribute__(self, name):
                raise AssertionError(name)

        source = sys.modules[f"{package}.source"]
        user = types.ModuleType("user_module")
        user.work = source.work
        prefixed = types.ModuleType(f"{package}ish")
        prefixed.work = source.work
        monkeypatch.setitem(sys.modules, "user_module", user)
        monkeypatch.setitem(sys.modules, prefixed.__name__, prefixed)
        monkeypatch.setitem(sys.modules, f"{package}.foreign", Foreign())
        monkeypatch.setitem(sys.modules, f"{package}.none", None)
        original = source.work

        patcher.install(Patch(f"{package}.source:work", Seen(), everywhere=True))

        assert user.work is original
        assert prefixed.work is original

    def test_a_lazy_module_is_not_woken(self, package, patcher):
        name = f"{package}.late"
        spec = importlib.util.find_spec(name)
        spec.loader = importlib.util.LazyLoader(spec.loader)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)

        patcher.install(Patch(f"{package}.source:work", Seen(), everywhere=True))
        patcher.undo_all()

        assert "work" not in object.__getattribute__(module, "__dict__")

    def test_two_patches_of_one_function_come_off_everywhere(self, package, patcher):
        source, reader = (sys.modules[f"{package}.{n}"] for n in ("source", "reader"))
        original, first, second = source.work, Seen(), Seen()
        for seen in (first, second):
            patcher.install(Patch(f"{package}.source:work", seen, everywhere=True))
        reader.work(1)
        assert (len(first), len(second)) == (1, 1)

        patcher.undo_all()

        assert reader.work is original


class TestSubclasses:
    """Every class that defines the method is wrapped, born or unborn."""

    @pytest.fixture
    def seen(self, host, patcher):
        seen = Seen()
        patch = Patch(target(host, "Model.answer"), seen, subclasses=True)
        assert patcher.install(patch) == "active"
        return seen

    def test_classes_that_exist_are_wrapped_where_they_define_it(self, host, seen):
        assert host.Plain().answer(1) == ["plain", 1]
        assert len(seen) == 1
        assert host.Louder().answer(1) == ["plain", 1, "!"]
        assert len(seen) == 3
        assert host.Quiet().answer(1) == ["plain", 1]
        assert len(seen) == 4
        assert "answer" not in vars(host.Quiet)

    def test_the_declaration_is_not_wrapped_and_stays_abstract(self, host, seen):
        assert type(vars(host.Model)["answer"]) is types.FunctionType
        with pytest.raises(TypeError, match="abstract"):
            host.Model()

        class Incomplete(host.Model):
            pass

        with pytest.raises(TypeError, match="abstract"):
            Incomplete()
        assert not seen

    def test_a_class_defined_later_is_wrapped(self, host, seen):
        class Late(host.Louder):
            def answer(self, question):
                return ["late", *super().answer(question)]

        assert Late().answer(1) == ["late", "plain", 1, "!"]
        assert len(seen) == 3
        assert all(type(instance) is Late for _, instance, _, _ in seen)

    def test_later_classes_are_as_found_after_undo(self, host, seen, patcher):
        def answer(self, question):
            return [self, question]

        late = type("Late", (host.Plain,), {"answer": answer})
        assert vars(late)["answer"] is not answer

        patcher.undo_all()

        assert vars(late)["answer"] is answer
        assert "__init_subclass__" not in vars(host.Model)

    def test_a_class_defined_after_undo_is_untouched(self, host, seen, patcher):
        patcher.undo_all()

        def answer(self, question):
            return [self, question]

        late = type("Late", (host.Plain,), {"answer": answer})

        assert vars(late)["answer"] is answer
        assert not seen

    def test_a_class_defined_after_undo_and_install_is_wrapped(
        self, host, seen, patcher
    ):
        patcher.undo_all()
        patcher.install(Patch(target(host, "Model.answer"), seen, subclasses=True))

        class Late(host.Model):
            def answer(self, question):
                return question

        assert Late().answer(1) == 1
        assert len(seen) == 1

    def test_a_hosts_own_hook_runs_with_its_arguments(self, host, patcher):
        calls = []

        class Base(host.Model):
            def __init_subclass__(cls, flavour=None, **kwargs):
                super().__init_subclass__(**kwargs)
                calls.append((cls.__name__, flavour))

        original = vars(Base)["__init_subclass__"]
        signature = inspect.signature(Base.__init_subclass__)
        seen = Seen()
        patcher.install(Patch(target(host, "Model.answer"), seen, subclasses=True))

        class Sweet(Base, flavour="sweet"):
            def answer(self, question):
                return question

        assert calls == [("Sweet", "sweet")]
        assert inspect.signature(Base.__init_subclass__) == signature
        assert Sweet().answer(1) == 1
        assert len(seen) == 1
        patcher.undo_all()
        assert vars(Base)["__init_subclass__"] is original

    def test_a_hosts_hook_that_does_not_call_super_hides_no_class(self, host, seen):
        class Selfish(host.Plain):
            def __init_subclass__(cls):
                pass

        class Late(Selfish):
            def answer(self, question):
                return question

        assert Late().answer(1) == 1
        assert len(seen) == 1

    def test_a_hook_that_decorates_the_method_is_wrapped_once(self, host, patcher):
        class Decorating(host.Model):
            def __init_subclass__(cls, **kwargs):
                super().__init_subclass__(**kwargs)
                inner = cls.answer
                cls.answer = lambda self, question: [inner(self, question)]

        seen = Seen()
        patcher.install(Patch(target(host, "Model.answer"), seen, subclasses=True))

        class Late(Decorating):
            def answer(self, question):
                return question

        assert Late().answer(1) == [1]
        assert len(seen) == 1

    def test_unexpected_class_arguments_fail_as_before(self, host, patcher):
        def error_of():
            with pytest.raises(TypeError) as caught:
                type("Bad", (host.Plain,), {}, nonsense=1)
            return str(caught.value)

        control = error_of()
        patcher.install(Patch(target(host, "Model.answer"), Seen(), subclasses=True))

        assert error_of() == control

    def test_a_hook_that_raises_fails_the_class_as_before(self, host, patcher):
        class Strict(host.Plain):
            def __init_subclass__(cls, **kwargs):
                raise LookupError(cls.__name__)

        patcher.install(Patch(target(host, "Model.answer"), Seen(), subclasses=True))

        with pytest.raises(LookupError, match="Nope"):
            type("Nope", (Strict,), {})

    def test_several_bases_cooperate(self, host, seen):
        order = []

        class Mixin:
            def __init_subclass__(cls, **kwargs):
                order.append(cls.__name__)
                super().__init_subclass__(**kwargs)

        class Late(Mixin, host.Plain):
            def answer(self, question):
                return ["late", *super().answer(question)]

        assert order == ["Late"]
        assert Late().answer(1) == ["late", "plain", 1]
        assert len(seen) == 2

    def test_a_diamond_is_wrapped_once_each(self, host, patcher):
        class Left(host.Plain):
            pass

        class Right(host.Plain):
            pass

        class Both(Left, Right):
            def answer(self, question):
                return super().answer(question)

        seen = Seen()
        patcher.install(Patch(target(host, "Model.answer"), seen, subclasses=True))
        Both().answer(1)
        assert len(seen) == 2
        patcher.undo_all()

        assert type(vars(Both)["answer"]) is types.FunctionType

    def test_a_family_unlike_the_patched_ones_is_left_alone(self, host, seen, patcher):
        second = Patch(target(host, "Thing.method"), seen, subclasses=True)
        patcher.install(second)

        class Late(host.Plain):
            def method(self):
                return 1

        assert Late().method() == 1
        assert not seen

    def test_generic_and_metaclass_bases_work(self, host, seen):
        item = typing.TypeVar("item")

        class Meta(abc.ABCMeta):
            def __new__(cls, name, bases, namespace, **kwargs):
                return super().__new__(cls, name, bases, namespace, **kwargs)

        class Late(host.Plain, typing.Generic[item], metaclass=Meta):
            def answer(self, question):
                return question

        class Concrete(Late[int]):
            def answer(self, question):
                return super().answer(question)

        assert Concrete().answer(1) == 1
        assert len(seen) == 2

    def test_a_dataclass_with_slots_is_wrapped_once_and_restored(
        self, host, seen, patcher
    ):
        def answer(self, question):
            return self.x + question

        plain = type(
            "Slotted", (host.Model,), {"answer": answer, "__annotations__": {"x": int}}
        )
        slotted = dataclass(slots=True)(plain)

        assert slotted(2).answer(1) == 3
        assert len(seen) == 1
        patcher.undo_all()
        assert vars(slotted)["answer"] is answer

    def test_several_methods_of_one_family_share_one_hook(self, host, patcher):
        seen = Seen()
        for name in ("method", "class_method", "static_method"):
            patch = Patch(target(host, f"Thing.{name}"), seen, subclasses=True)
            patcher.install(patch)
        hook = vars(host.Thing)["__init_subclass__"]
        assert type(hook) is PlacedFunction
        assert type(hook.__wrapped__) is classmethod

        class Late(host.Thing):
            def method(self, a, b=2):
                return a

            @classmethod
            def class_method(cls, a, b=2):
                return cls

            @staticmethod
            def static_method(a, b=2):
                return a

        assert (Late().method(1), Late.class_method(1), Late.static_method(1)) == (
            1,
            Late,
            1,
        )
        assert len(seen) == 3

    def test_a_family_without_the_method_is_missing(self, host, patcher):
        patch = Patch(target(host, "Model.renamed"), Seen(), subclasses=True)

        assert patcher.install(patch) == "missing"
        assert "__init_subclass__" not in vars(host.Model)

    def test_wrapped_classes_can_be_collected(self, host, seen):
        late = type("Late", (host.Plain,), {"answer": lambda self, q: q})
        alive = weakref.ref(late)
        del late
        gc.collect()

        assert alive() is None

    def test_an_error_of_ours_does_not_break_a_class_definition(
        self, host, seen, monkeypatch
    ):
        monkeypatch.delenv("CHAUKAS_RAISE_INTERNAL")

        def failing(_cls):
            raise LookupError

        monkeypatch.setattr(patching, "mro_of", failing)

        class Late(host.Plain):
            def answer(self, question):
                return question

        assert Late().answer(1) == 1


class TestPostImport:
    """A module that the host has not imported is waited for."""

    def test_it_is_patched_when_the_host_imports_it(self, write_package, patcher):
        name, seen = write_package(later="def work(): return 1\n"), Seen()
        patch = Patch(f"{name}.later:work", seen, post_import=True)

        assert patcher.install(patch) == "waiting"
        assert patcher.install(patch) == "waiting"
        assert f"{name}.later" not in sys.modules
        module = importlib.import_module(f"{name}.later")

        assert patcher.outcomes == {patch.target: "active"}
        assert module.work() == 1
        assert len(seen) == 1

    def test_two_patches_of_one_function_both_arrive(self, write_package, patcher):
        name, seen = write_package(later="def work(): return 1\n"), (Seen(), Seen())
        for each in seen:
            patcher.install(Patch(f"{name}.later:work", each, post_import=True))

        importlib.import_module(f"{name}.later").work()

        assert [len(each) for each in seen] == [1, 1]

    def test_a_module_already_there_is_patched_at_once(self, host, patcher):
        patch = Patch(target(host, "function"), Seen(), post_import=True)

        assert patcher.install(patch) == "active"

    def test_after_undo_the_import_finds_nothing_to_do(self, write_package, patcher):
        name, seen = write_package(later="def work(): return 1\n"), Seen()
        patcher.install(Patch(f"{name}.later:work", seen, post_import=True))
        patcher.undo_all()

        module = importlib.import_module(f"{name}.later")

        assert type(module.work) is types.FunctionType
        assert not seen
        assert patcher.outcomes == {}

    def test_an_undo_in_the_middle_of_an_import_wins(self, host, patcher):
        patch = Patch(f"{host.__name__}.none:work", Seen(), post_import=True)
        patcher.install(patch)
        patcher.undo_all()
        module = types.ModuleType("none")
        module.work = host.function

        patcher.arrive(patch, module)

        assert module.work is host.function
        assert patcher.outcomes == {}

    def test_a_patcher_that_was_undone_is_not_kept(self, host):
        patcher = MonkeyPatcher()
        patcher.install(Patch(f"{host.__name__}.none:f", Seen(), post_import=True))
        alive = weakref.ref(patcher)
        patcher.undo_all()
        del patcher
        gc.collect()

        assert alive() is None

    def test_rounds_of_enable_and_disable_register_one_hook(
        self, write_package, patcher, monkeypatch
    ):
        name, registered = write_package(later="def work(): return 1\n"), []
        register = wrapt.register_post_import_hook

        def counting(hook, module_name):
            registered.append(module_name)
            register(hook, module_name)

        monkeypatch.setattr(wrapt, "register_post_import_hook", counting)
        patch = Patch(f"{name}.later:work", Seen(), post_import=True)
        for _ in range(20):
            patcher.install(patch)
            patcher.undo_all()
        patcher.install(patch)

        assert registered == [f"{name}.later"]
        module = importlib.import_module(f"{name}.later")
        assert type(module.work) is PlacedFunction

    def test_a_renamed_function_is_missing_and_the_import_succeeds(
        self, write_package, patcher
    ):
        name = write_package(later="value = 1\n")
        patch = Patch(f"{name}.later:work", Seen(), post_import=True)
        patcher.install(patch)

        assert importlib.import_module(f"{name}.later").value == 1
        assert patcher.outcomes == {patch.target: "missing"}

    def test_an_error_of_ours_does_not_reach_the_import(
        self, write_package, patcher, monkeypatch
    ):
        monkeypatch.delenv("CHAUKAS_RAISE_INTERNAL")
        name = write_package(later="def work(): return 1\n")
        patcher.install(Patch(f"{name}.later:work", Seen(), post_import=True))

        def failing(_module, _patch):
            raise LookupError

        monkeypatch.setattr(patching, "_holder_of", failing)

        assert importlib.import_module(f"{name}.later").work() == 1

    def test_a_module_that_fails_to_import_fails_as_before(
        self, write_package, patcher
    ):
        name = write_package(later="raise LookupError('host')\n")
        patcher.install(Patch(f"{name}.later:work", Seen(), post_import=True))

        with pytest.raises(LookupError, match="host"):
            importlib.import_module(f"{name}.later")
        assert patcher.outcomes == {f"{name}.later:work": "waiting"}

    def test_subclasses_and_everywhere_work_after_the_import_too(
        self, write_package, patcher
    ):
        name, seen = write_package(later=TARGET), Seen()
        for path, extra in (
            ("Model.answer", {"subclasses": True}),
            ("function", {"everywhere": True}),
        ):
            patch = Patch(f"{name}.later:{path}", seen, post_import=True, **extra)
            patcher.install(patch)
        module = importlib.import_module(f"{name}.later")

        module.Plain().answer(1)
        module.alias(1)

        assert len(seen) == 2


_LOOP = '''
left = []

def function(*error):
    left.append("function")
    return True

class Loop:
    def __enter__(self):
        return self

    def __exit__(self, *error):
        left.append("exit")
        return True

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        left.append("aexit")
        return True

    def method(self, *error):
        left.append("method")
        return True

    async def coroutine(self, *error):
        left.append("coroutine")
        return True

    @staticmethod
    def static(*error):
        left.append("static")
        return True

    @classmethod
    def of_class(cls, *error):
        left.append("of_class")
        return True

class Door:
    """Called like a function, and a block as well."""
    def __call__(self):
        return "called"

    def __enter__(self):
        return "entered"

    def __exit__(self, *error):
        left.append("door")

door = Door()
'''


class TestExitStacks:
    """What a program hands to an exit stack is left in its way, patched or not."""

    @pytest.fixture
    def loop(self, write_package):
        return importlib.import_module(f"{write_package(loop=_LOOP)}.loop")

    NAMES = (
        *("Loop.__exit__", "Loop.__aexit__", "Loop.method", "Loop.coroutine"),
        *("Loop.static", "Loop.of_class", "function"),
    )

    def install(self, patcher, loop, names=NAMES):
        seen = Seen()
        for name in names:
            assert patcher.install(Patch(target(loop, name), seen)) == "active"
        return seen

    @pytest.mark.parametrize("name", ["method", "static", "of_class"])
    def test_a_patched_method_may_be_pushed(self, loop, patcher, name):
        seen = self.install(patcher, loop)
        with contextlib.ExitStack() as stack:
            pushed = getattr(loop.Loop(), name)
            assert stack.push(pushed) is pushed
            raise LookupError
        assert loop.left == [name]
        assert len(seen) == 1

    def test_a_patched_function_may_be_pushed(self, loop, patcher):
        seen = self.install(patcher, loop)
        with contextlib.ExitStack() as stack:
            stack.push(loop.function)
            raise LookupError
        assert loop.left == ["function"]
        assert len(seen) == 1

    async def test_a_patched_coroutine_function_may_be_pushed(self, loop, patcher):
        seen = self.install(patcher, loop)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_exit(loop.Loop().coroutine)
            stack.push(loop.Loop().method)
            stack.callback(loop.Loop().method)
            stack.push_async_callback(loop.Loop().coroutine)
            raise LookupError
        assert loop.left == ["coroutine", "method", "method", "coroutine"]
        assert len(seen) == 4

    async def test_a_patched_exit_is_called_in_every_way_of_leaving(
        self, loop, patcher
    ):
        seen = self.install(patcher, loop)
        with loop.Loop():
            raise LookupError
        with contextlib.ExitStack() as stack:
            stack.enter_context(loop.Loop())
            stack.push(loop.Loop())
            raise LookupError
        async with loop.Loop():
            raise LookupError
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(loop.Loop())
            stack.push_async_exit(loop.Loop())
            raise LookupError
        assert loop.left == ["exit"] * 3 + ["aexit"] * 3
        assert [type(call[1]) for call in seen] == [loop.Loop] * 6

    def test_a_patched_function_is_no_block(self, loop, patcher):
        self.install(patcher, loop)
        for each in (loop.function, loop.Loop().method, loop.Loop.method):
            for name in ("__enter__", "__exit__", "__aenter__", "__aexit__"):
                assert not hasattr(each, name)
                assert not hasattr(type(each), name)
            with pytest.raises((TypeError, AttributeError)), each:
                pass

    def test_a_patched_object_that_is_called_stays_a_block(self, loop, patcher):
        self.install(patcher, loop, ("door",))
        assert loop.door() == "called"
        with loop.door as entered:
            assert entered == "entered"
        assert loop.left == ["door"]

    def test_a_session_may_be_entered_by_a_stack(self):
        with capture_events() as events, contextlib.ExitStack() as stack:
            stack.enter_context(chaukas.session("one"))
            stack.push(stack.enter_context(contextlib.ExitStack()))
            chaukas.event("inside")
        assert [e["session_id"] for e in events() if "SESSION" in e["type"]] == [
            "one",
            "one",
        ]


_FAMILY = """
import functools

class Base:
    def work(self):
        return ["base"]

    @classmethod
    def make(cls):
        return ["base"]

class Derived(Base):
    def work(self):
        return ["derived", *super().work()]

    @classmethod
    def make(cls):
        return ["derived", *super().make()]

class Plain(Base):
    pass

class Wrapping(Base):
    @functools.wraps(Base.work)
    def work(self):
        return ["wrapping", *Base.work(self)]
"""


class TestMostDerived:
    """An override and the base's definition that it reaches are told apart."""

    @pytest.fixture
    def family(self, write_package):
        return importlib.import_module(f"{write_package(family=_FAMILY)}.family")

    @pytest.fixture
    def told(self, family, patcher):
        told = []

        def wrap_of(name):
            def wrap(wrapped, instance, args, kwargs):
                if patching.is_most_derived(wrapped, instance, name):
                    told.append(name)
                return wrapped(*args, **kwargs)

            return wrap

        for name in ("work", "make"):
            patch = Patch(
                target(family, f"Base.{name}"), wrap_of(name), subclasses=True
            )
            patcher.install(patch)
        return told

    @pytest.mark.parametrize(
        ("cls", "result"),
        [
            ("Base", ["base"]),
            ("Derived", ["derived", "base"]),
            ("Plain", ["base"]),
            ("Wrapping", ["wrapping", "base"]),
        ],
    )
    def test_a_call_counts_once(self, family, told, cls, result):
        assert getattr(family, cls)().work() == result
        assert told == ["work"]

    def test_a_call_by_way_of_the_class_counts_once(self, family, told):
        assert family.Derived.work(family.Derived()) == ["derived", "base"]
        assert told == ["work"]

    def test_a_base_asked_by_its_own_name_is_not_the_objects_own(self, family, told):
        assert family.Base.work(family.Derived()) == ["base"]
        assert told == []

    def test_a_class_method_counts_once(self, family, told):
        assert family.Derived.make() == ["derived", "base"]
        assert family.Plain().make() == ["base"]
        assert told == ["make", "make"]

    def test_two_patches_of_one_method_both_count(self, family, told, patcher):
        def wrap(wrapped, instance, args, kwargs):
            if patching.is_most_derived(wrapped, instance, "work"):
                told.append("second")
            return wrapped(*args, **kwargs)

        patcher.install(Patch(target(family, "Base.work"), wrap, subclasses=True))
        family.Derived().work()
        assert sorted(told) == ["second", "work"]

    def test_a_layer_of_somebody_else_above_ours_changes_nothing(self, family, told):
        ours = family.Derived.work

        @functools.wraps(ours)
        def theirs(self):
            return ["theirs", *ours(self)]

        family.Derived.work = theirs
        assert family.Derived().work() == ["theirs", "derived", "base"]
        assert told == ["work"]

    def test_an_override_that_nobody_patched_hides_nothing(self, family, patcher):
        told = []

        def wrap(wrapped, instance, args, kwargs):
            told.append(patching.is_most_derived(wrapped, instance, "work"))
            return wrapped(*args, **kwargs)

        patcher.install(Patch(target(family, "Base.work"), wrap))
        assert family.Derived().work() == ["derived", "base"]
        assert told == [True]


class TestModulesThatNeverCome:
    """A module that the installed release has not is not waited for."""

    @pytest.mark.parametrize("path", ["none", "none.deeper", "later.deeper"])
    def test_a_module_without_a_file_is_missing(self, write_package, patcher, path):
        name = write_package(later="raise AssertionError('imported')")
        importlib.import_module(name)
        patch = Patch(f"{name}.{path}:work", Seen(), post_import=True)

        assert patcher.install(patch) == "missing"
        assert patcher.outcomes == {patch.target: "missing"}

    def test_a_module_with_a_file_is_waited_for(self, write_package, patcher):
        name = write_package(later="def work(): return 1\n")
        importlib.import_module(name)
        patch = Patch(f"{name}.later:work", Seen(), post_import=True)

        assert patcher.install(patch) == "waiting"
        importlib.import_module(f"{name}.later")
        assert patcher.outcomes == {patch.target: "active"}

    def test_nothing_is_imported_to_look_for_a_module(
        self, write_package, patcher, tmp_path
    ):
        name = write_package()
        inner = tmp_path / name / "inner"
        inner.mkdir()
        (inner / "__init__.py").write_text("raise AssertionError('imported')")
        (inner / "deep.py").write_text("")
        importlib.import_module(name)
        for path, outcome in (("deep", "waiting"), ("none", "missing")):
            patch = Patch(f"{name}.inner.{path}:work", Seen(), post_import=True)
            assert patcher.install(patch) == outcome

    def test_a_package_that_is_loaded_later_says_it_then(self, write_package, patcher):
        name = write_package()
        patch = Patch(f"{name}.none:work", Seen(), post_import=True)
        assert patcher.install(patch) == "waiting"
        assert patcher.outcomes == {patch.target: "waiting"}

        importlib.import_module(name)
        assert patcher.outcomes == {patch.target: "missing"}

    @pytest.mark.parametrize("loader", [None, object()], ids=["none", "own"])
    def test_a_package_with_a_loader_of_its_own_may_have_any_module(
        self, write_package, patcher, loader
    ):
        module = importlib.import_module(write_package())
        module.__spec__.loader = loader
        patch = Patch(f"{module.__name__}.none:work", Seen(), post_import=True)
        assert patcher.install(patch) == "waiting"

    def test_a_path_hook_that_fails_costs_nothing(
        self, write_package, patcher, monkeypatch
    ):
        module = importlib.import_module(write_package())

        def failing(_place):
            raise LookupError("a path hook of the host")

        folder = f"{module.__path__[0]}/hooked"
        monkeypatch.setattr(sys, "path_hooks", [failing])
        monkeypatch.setattr(module, "__path__", [folder])
        patch = Patch(f"{module.__name__}.later:work", Seen(), post_import=True)

        assert patcher.install(patch) == "waiting"
        assert patcher.outcomes == {patch.target: "waiting"}
