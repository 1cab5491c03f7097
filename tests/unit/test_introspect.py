"""A look at a class, a module or an object runs none of its own code."""

from __future__ import annotations

import sys
from types import GetSetDescriptorType, ModuleType
from typing import Any

import pytest

from chaukas.sdk.record.errors import class_name_of, error_code_of
from chaukas.sdk.record.retries import is_retryable
from chaukas.sdk.system import introspect
from chaukas.sdk.system.introspect import MISSING


class Meta(type):
    def __getattribute__(cls, name: str) -> Any:
        raise AssertionError(f"the metaclass was asked for {name}")

    def __instancecheck__(cls, _instance: object) -> bool:
        raise AssertionError("the metaclass was asked for an instance")


class TimeoutException(Exception, metaclass=Meta):
    given = "by the class"

    def __init__(self) -> None:
        vars(BaseException)["__dict__"].__get__(self)["given"] = "by the object"

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(f"the object was asked for {name}")


@pytest.fixture
def error() -> BaseException:
    made: BaseException = type.__call__(TimeoutException)
    return made


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    class Lazy(ModuleType):
        def __getattribute__(self, name: str) -> Any:
            raise AssertionError(f"the module was asked for {name}")

    lazy = Lazy("chaukas_test_lazy")
    introspect.namespace_of(lazy)["given"] = 1
    monkeypatch.setitem(sys.modules, "chaukas_test_lazy", lazy)
    return lazy


def test_a_class_is_named_without_its_metaclass(error: BaseException) -> None:
    cls = type(error)
    assert class_name_of(error) == "TimeoutException"
    assert introspect.bare_name_of(cls) == "TimeoutException"
    assert introspect.qualname_of(cls) == "TimeoutException"
    assert introspect.name_of(cls).endswith("test_introspect.TimeoutException")
    assert introspect.mro_of(cls)[1:] == (Exception, BaseException, object)
    assert introspect.is_class(cls)
    assert not introspect.is_class(error)


def test_an_error_is_judged_without_its_metaclass(error: BaseException) -> None:
    assert error_code_of(error) == "TimeoutException"
    assert is_retryable(error) == (True, "type", 0)


def test_a_name_is_read_where_it_stands(
    error: BaseException, module: ModuleType
) -> None:
    assert introspect.own(type(error), "given") == "by the class"
    assert introspect.own(type(error), "args") is MISSING
    assert introspect.looked_up(type(error), "args") is vars(BaseException)["args"]
    assert introspect.own(module, "given") == 1
    assert introspect.own(module, "none") is MISSING
    assert introspect.loaded("chaukas_test_lazy", "given") == 1
    assert introspect.loaded("chaukas_test_lazy", "none") is None
    assert introspect.loaded("chaukas_test_no_such", "given") is None


def test_what_an_object_holds_is_read_past_its_class() -> None:
    class Shy:
        def __init__(self) -> None:
            self.held = 1

        def __getattribute__(self, name: str) -> Any:
            raise AssertionError(f"the object was asked for {name}")

    class Slotted:
        __slots__ = ("held",)

    assert introspect.attributes_of(Shy()) == {"held": 1}
    assert introspect.attributes_of(Slotted()) == {}
    assert introspect.own(Shy(), "held") == 1


def test_an_accessor_of_a_class_with_code_of_its_own_is_not_used() -> None:
    class Plain:
        pass

    class Odd:
        @property
        def __dict__(self) -> Any:
            raise AssertionError("must not run")

    kind = GetSetDescriptorType
    found = introspect.own_accessor(introspect.mro_of(Plain), "__dict__", kind)
    assert found.__get__(Plain()) == {}
    assert introspect.own_accessor(introspect.mro_of(Odd), "__dict__", kind) is None
