"""Errors are known by what cannot belong to another one."""

from __future__ import annotations

import contextlib
import gc
import weakref
from typing import Any

import pytest

from chaukas.sdk.record.errors import ReportedErrors, recogniser_of


class Own(Exception):
    pass


@pytest.mark.parametrize("kind", [TimeoutError, Own, KeyError, OSError])
def test_an_error_at_the_address_of_another_is_another(kind: Any) -> None:
    reported = ReportedErrors()
    covered = 0
    for _ in range(200):
        try:
            raise kind
        except kind as error:
            covered += reported.covers(error)
            reported.add(error)
    assert covered == 0


@pytest.mark.parametrize("kind", [TimeoutError, Own])
def test_the_same_error_is_recognised_and_so_is_its_cause(kind: Any) -> None:
    reported = ReportedErrors()
    error = kind("x")
    reported.add(error)
    assert reported.covers(error)
    wrapped = RuntimeError("y")
    wrapped.__cause__ = error
    assert reported.covers(wrapped)
    reported.forget(wrapped)
    assert not reported.covers(error)


def test_an_error_is_not_kept() -> None:
    class Held:
        pass

    held = Held()
    reference = weakref.ref(held)

    def fail(value: object) -> None:
        raise TimeoutError

    is_same = None
    with contextlib.suppress(TimeoutError):
        try:
            fail(held)
        except TimeoutError as error:
            is_same = recogniser_of(error)
            was_recognised = is_same(error)
            raise
    del held
    gc.collect()
    assert reference() is None
    assert was_recognised
    assert is_same is not None
    assert not is_same(TimeoutError())


def test_only_the_last_errors_of_a_run_are_remembered() -> None:
    reported = ReportedErrors()
    errors = [Own(str(number)) for number in range(300)]
    for error in errors:
        reported.add(error)
    assert not reported.covers(errors[0])
    assert reported.covers(errors[-1])
