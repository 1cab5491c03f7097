"""
Many small samples in few tests.

A test of a millisecond costs pytest several more; thousands of them would be most of
the time that the whole suite takes.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ("for_each",)

_SIZE = 25


def for_each(
    items: Iterable[Any], names: Iterable[str] | None = None
) -> Callable[[Callable[[Any], None]], Any]:
    """
    Decorate a test of one sample to run for all of *items*, some in each test.

    All samples run, and all that fail are reported, with the traceback of the first.

    Args:
        items: The samples.
        names: What each is called in the report of a failure; the samples themselves
            if left out.
    """
    samples = list(items)
    labels = list(map(str, samples)) if names is None else list(names)
    pairs = iter(zip(labels, samples, strict=True))
    groups = list(iter(lambda: list(islice(pairs, _SIZE)), []))

    def decorate(test: Callable[[Any], None]) -> Any:
        def run_group(group: list[tuple[str, Any]]) -> None:
            failed: dict[str, BaseException] = {}
            for label, sample in group:
                try:
                    test(sample)
                except (Exception, pytest.fail.Exception) as error:
                    failed[label] = error
            if failed:
                told = [f"{label}: {_text_of(e)}" for label, e in failed.items()]
                raise AssertionError("\n".join(told)) from next(iter(failed.values()))

        run_group.__name__, run_group.__doc__ = test.__name__, test.__doc__
        run_group.__module__ = test.__module__
        ids = [f"{group[0][0][:40]} and {len(group) - 1} more" for group in groups]
        return pytest.mark.parametrize("group", groups, ids=ids)(run_group)

    return decorate


def _text_of(error: BaseException) -> str:
    is_plain = isinstance(error, (AssertionError, pytest.fail.Exception))
    return str(error) if is_plain else repr(error)
