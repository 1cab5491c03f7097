"""Tests of many small samples say of each whether it failed."""

from __future__ import annotations

import pytest

from tests.support.groups import for_each


def test_every_sample_that_fails_is_reported_and_none_is_left_out() -> None:
    seen: list[int] = []

    def test_one(sample: int) -> None:
        seen.append(sample)
        if sample == 3:
            raise AssertionError("three")
        if sample == 5:
            raise ValueError("five")
        if sample == 7:
            pytest.fail("seven")

    grouped = for_each(range(30))(test_one)
    [mark] = grouped.pytestmark
    first, second = mark.args[1]
    with pytest.raises(AssertionError) as failure:
        grouped(first)
    assert str(failure.value) == "3: three\n5: ValueError('five')\n7: seven"
    assert str(failure.value.__cause__) == "three"
    grouped(second)
    assert seen == list(range(30))
    assert grouped.__name__ == "test_one"


def test_samples_are_called_what_their_test_calls_them() -> None:
    def test_one(sample: str) -> None:
        assert sample == ""

    grouped = for_each(["a", ""], ["secret", "none"])(test_one)
    [mark] = grouped.pytestmark
    [group] = mark.args[1]
    with pytest.raises(AssertionError, match=r"^secret: "):
        grouped(group)
