"""An answer that went through JSON is the same answer: for every type there is."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass, replace
from typing import Any, get_args, get_type_hints

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaukas.query import answers as made
from chaukas.query import to_json
from chaukas.query.query import Query
from chaukas.query.questions import Questions
from chaukas.query.remote.decode import MismatchError, decoded
from chaukas.query.remote.query import RemoteQuery
from chaukas.store import answers as rows

NAMES = {**vars(rows), **vars(made)}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
        st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)  # fmt: skip
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
WHOLE = st.integers(-(2**63), 2**63 - 1)
PLAIN = {str: st.text(max_size=5), int: WHOLE, float: NUMBERS, bool: st.booleans()}

KINDS = [
    kind
    for module in (rows, made)
    for kind in vars(module).values()
    if is_dataclass(kind)
    and kind.__module__ == module.__name__
    and kind is not rows.Page
]
PAGES = [rows.Page[kind] for kind in (rows.RunRow, rows.EventRow, rows.SearchHit)]


# One line for each kind of type is what it is.
def strategy_of(kind: Any) -> st.SearchStrategy[Any]:  # noqa: PLR0911
    """Return values of a type, written anew and not as the decoder reads them."""
    if kind is Any:
        return JSON
    if kind in PLAIN:
        return PLAIN[kind]
    name, inner = getattr(kind, "__origin__", None), get_args(kind)
    if name is None and inner:
        return st.one_of(
            st.none(), *(strategy_of(x) for x in inner if x is not type(None))
        )
    if str(kind).startswith("typing.Literal"):
        return st.sampled_from(inner)
    if name is tuple and inner[1:] == (...,):
        return st.lists(strategy_of(inner[0]), max_size=2).map(tuple)
    if name is tuple:
        return st.tuples(*map(strategy_of, inner))
    if name is dict:
        return st.dictionaries(st.text(max_size=3), strategy_of(inner[1]), max_size=2)
    if name is rows.Page:
        items = st.lists(strategy_of(inner[0]), max_size=2).map(tuple)
        return st.builds(rows.Page, items, st.text(max_size=3), st.none() | WHOLE)
    hints = get_type_hints(kind, localns=NAMES)
    return st.builds(
        kind, **{one.name: strategy_of(hints[one.name]) for one in fields(kind)}
    )


@pytest.mark.parametrize("kind", [*KINDS, *PAGES], ids=str)
@settings(max_examples=20)
@given(data=st.data())
def test_an_answer_comes_back_as_it_was(kind: Any, data: st.DataObject) -> None:
    answer = data.draw(strategy_of(kind))
    assert decoded(kind, orjson.loads(to_json(answer))) == answer


ROW = rows.StreamRow("s", 1, 2, 3, 0, 0, "ended")


def plain(answer: object) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(to_json(answer))
    return found


def test_what_a_newer_collector_says_beside_is_passed_over() -> None:
    assert decoded(rows.StreamRow, {**plain(ROW), "colour": "red"}) == ROW


def test_a_field_with_a_default_may_be_missing() -> None:
    page = {"items": [plain(ROW)], "next_cursor": ""}
    assert decoded(rows.Page[rows.StreamRow], page) == rows.Page((ROW,), "")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"events": "3"}, "StreamRow.events is of another kind"),
        ({"events": True}, "StreamRow.events is of another kind"),
        ({"stream": None}, "StreamRow.stream is of another kind"),
        ({"state": "gone"}, "StreamRow.state has a value that is not known here"),
        ({"state": []}, "StreamRow.state has a value that is not known here"),
    ],
)
def test_what_is_no_such_answer_is_named_and_not_shown(
    change: dict[str, Any], words: str
) -> None:
    with pytest.raises(MismatchError) as error:
        decoded(rows.StreamRow, {**plain(ROW), **change})
    assert str(error.value) == words


@pytest.mark.parametrize("name", [one.name for one in fields(rows.StreamRow)])
def test_what_is_missing_is_named(name: str) -> None:
    told = plain(ROW)
    del told[name]
    with pytest.raises(MismatchError) as error:
        decoded(rows.StreamRow, told)
    assert str(error.value) == f"StreamRow.{name} is missing"


@given(JSON)
def test_any_json_is_an_answer_or_a_mismatch(told: Any) -> None:
    for kind in (made.Summary, rows.Page[rows.RunRow], tuple[list[rows.EventRow], int]):
        with pytest.raises(MismatchError):
            decoded(kind, told)


def test_a_number_that_json_has_no_word_for_is_none_of_the_finite() -> None:
    zero = rows.NumberRow((), 0, 0, 0, 0, 0, 0, 0, 0.0, 0, None, None, 0.0)
    told = plain(replace(zero, cost_usd=math.inf))
    assert math.isnan(decoded(rows.NumberRow, told).cost_usd)


def test_both_queries_can_be_asked_all_questions() -> None:
    wanted = {name for name in vars(Questions) if not name.startswith("_")}
    assert wanted - {"close"} <= vars(Query).keys() & vars(RemoteQuery).keys()
