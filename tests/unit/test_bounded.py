"""Maps that forget, and ids of a fixed length."""

from __future__ import annotations

import enum
import sys
import threading
import uuid
import weakref
from typing import Any

import pytest

from chaukas.sdk.system.bounded import ID_CHARS, BoundedMap, WeakMap, bounded, id_text


def test_the_oldest_entry_is_forgotten_first() -> None:
    held: BoundedMap[str, int] = BoundedMap(2)
    assert held.put("a", 1) is None
    assert held.put("b", 2) is None
    assert held.put("a", 3) == 1
    assert held.put("c", 4) == 2
    assert (held.get("a"), held.get("b"), held.get("c")) == (3, None, 4)
    assert len(held) == 2
    assert "a" in held
    assert "b" not in held


def test_only_the_value_that_is_meant_is_forgotten() -> None:
    held: BoundedMap[str, int] = BoundedMap(2)
    held.put("a", 1)
    held.pop_if("a", lambda value: value == 2)
    assert held.get("a") == 1
    held.pop_if("a", lambda value: value == 1)
    assert not held
    assert held.pop("a") is None


def test_a_value_is_made_once_and_kept() -> None:
    held: BoundedMap[str, list[int]] = BoundedMap(2)
    made = held.add("a", lambda: [1])
    assert held.add("a", lambda: [2]) is made


def test_threads_that_all_forget_do_not_break_each_other() -> None:
    held: BoundedMap[int, int] = BoundedMap(8)
    errors: list[BaseException] = []

    def work(start: int) -> None:
        try:
            for number in range(start, start + 5_000):
                held.put(number, number)
                held.get(number - 1)
                held.pop(number - 3)
        except BaseException as error:
            errors.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(n * 10_000,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert errors == []
    assert len(held) <= 8


def test_a_finalizer_of_a_value_may_use_the_map() -> None:
    held: BoundedMap[int, Any] = BoundedMap(1)

    class Value:
        pass

    value = Value()
    weakref.finalize(value, held.put, 9, None)
    held.put(1, value)
    del value
    held.put(2, None)
    assert 9 in held


class Owner:
    """Something that is not asked what it equals."""

    def __eq__(self, other: object) -> bool:
        raise AssertionError

    __hash__ = None  # type: ignore[assignment]


def test_what_is_remembered_of_an_object_goes_with_it() -> None:
    known: WeakMap[str] = WeakMap(2)
    one, other = Owner(), Owner()
    known.put(one, "one")
    known.put("a text", "cannot be held weakly")
    assert known.get(one) == "one"
    assert known.get(other) is None
    assert known.get("a text") is None
    del one
    assert len(known) == 0
    known.put(other, "other")
    assert known.pop(other) == "other"
    assert known.pop(other) is None


class Name(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise AssertionError


class Colour(str, enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("chat-1", "chat-1"),
        (Name("chat-1"), "chat-1"),
        (Colour.RED, "red"),
        (17, "17"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (None, ""),
        (True, ""),
        ("\ud800", "\\ud800"),
        (1.5, None),
        (b"x", None),
        (object(), None),
    ],
)
def test_an_id_is_a_text_whatever_it_was(value: object, text: str | None) -> None:
    assert id_text(value) == text


def test_a_number_without_end_is_an_id_of_fixed_length() -> None:
    assert len(id_text(10**50_000) or "") == ID_CHARS


def test_two_long_ids_stay_apart() -> None:
    one, other = (bounded("x" * 1_200_000 + end) for end in "ab")
    assert len(one) == len(other) == ID_CHARS
    assert one != other
    assert bounded("x" * ID_CHARS) == "x" * ID_CHARS
