"""What lists of runs and sessions can be ordered by."""

from __future__ import annotations

from typing import Final

from chaukas.store.protocol import QuestionError

from .where import OF_SESSION, RUN_DURATION

__all__ = ("RUN_SORTS", "SESSION_SORTS", "sort_of")

RUN_SORTS: Final = {
    "time": "r.first",
    "duration": RUN_DURATION,
    "cost": "r.cost",
    "tokens": "(r.input_tokens + r.output_tokens)",
    "errors": "r.errors",
    "retries": "r.retries",
}
SESSION_SORTS: Final = {
    "time": "s.last",
    "cost": "s.cost",
    "tokens": "(s.input_tokens + s.output_tokens)",
    "errors": "s.errors",
    "runs": f"(SELECT count(*) FROM run r WHERE {OF_SESSION})",
}


def sort_of(sort: str, known: dict[str, str]) -> tuple[str, bool]:
    """
    Return the column that a list is ordered by, and whether descending.

    Args:
        sort: A name, with - in front for the largest first.
        known: Columns by name.

    Raises:
        QuestionError: There is no such order.
    """
    column = known.get(sort.removeprefix("-"))
    if column is None:
        names = ", ".join(known)
        raise QuestionError(
            f"no order {sort!r}: there are {names}, with - for the largest"
        )
    return column, sort.startswith("-")
