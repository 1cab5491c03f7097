"""Laws of the snapshot: what holds for every value there is."""

from __future__ import annotations

import json
import math
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaukas.sdk.capture.limits import Limits
from chaukas.sdk.capture.redaction.redactor import Redactor
from chaukas.sdk.capture.redaction.tokens.patterns import PATTERNS
from chaukas.sdk.capture.snapshot import Capture, Rules, shrink
from tests.support.secrets import PLANTED

RULES = Rules()
# The user's function makes each leaf take the thorough way, and changes nothing. It
# costs work, so that with little of it the two would not get equally far.
AMPLE = Limits(time_s=1.0)
QUICK = Rules(limits=AMPLE)
THOROUGH = Rules(limits=AMPLE, redact=lambda _path, value: value)

SECRETS = [p.value for p in PLANTED if type(p.value) is str]
PIECES = st.sampled_from(
    [
        *SECRETS,
        "password",
        "token",
        ": ",
        "=",
        '"',
        "\\",
        "'",
        "--",
        "value",
        "name",
        "authorization",
        "Bearer ",
        "\n",
        "://",
        "@",
        "key",
        "\u0130",
        "\u212a",
        "{",
        "a1",
    ]
)
TEXTS = st.one_of(
    st.text(st.characters(), max_size=30),
    st.lists(PIECES, max_size=6).map("".join),
)
LEAVES = st.one_of(
    TEXTS,
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.binary(max_size=80),
    st.dates(),
    st.datetimes(),
    st.uuids(),
    st.decimals(),
)
# Longer keys are cut, and the mark of a cut is not recognised a second time.
KEY_TEXTS = TEXTS.filter(lambda text: len(text) <= 256)
KEYS = st.one_of(KEY_TEXTS, st.integers(), st.none(), st.booleans(), st.floats())
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.tuples(TEXTS, TEXTS),
        st.dictionaries(KEYS, inner, max_size=5),
        st.fixed_dictionaries({"name": TEXTS, "value": inner}),
    ),
    max_leaves=15,
)


def parts_of(tree: Any) -> list[Any]:
    """Return all values in a tree."""
    parts = [tree]
    for part in parts:
        if type(part) is dict:
            parts += [*part.keys(), *part.values()]
        elif type(part) is list:
            parts += part
    return parts


@given(VALUES)
def test_the_tree_is_of_exact_json_types_and_can_be_encoded(value: Any) -> None:
    tree = Capture(RULES).tree(value, "x")

    for part in parts_of(tree):
        assert type(part) in (dict, list, str, int, float, bool, type(None))
        if type(part) is float:
            assert math.isfinite(part)
            assert not (part.is_integer() and abs(part) <= 2**53)
        if type(part) is int:
            assert abs(part) <= 2**53
    assert orjson.loads(orjson.dumps(tree)) == tree
    assert json.loads(json.dumps(tree)) == tree


@given(VALUES)
@settings(max_examples=500)
def test_the_quick_way_gives_what_the_thorough_way_gives(value: Any) -> None:
    quick, thorough = Capture(QUICK), Capture(THOROUGH)

    assert quick.tree(value, "x") == thorough.tree(value, "x")
    assert quick.redacted == thorough.redacted
    assert quick.altered == thorough.altered


@given(VALUES)
def test_a_tree_of_a_tree_is_the_same_tree(value: Any) -> None:
    once = Capture(RULES).tree(value, "x")

    assert Capture(RULES).tree(once, "x") == once


@given(TEXTS)
@settings(max_examples=500)
def test_text_and_tree_say_the_same_of_a_text(text: str) -> None:
    quick, tree = Capture(RULES), Capture(RULES)

    assert quick.text(text, "x") == tree.tree(text, "x")
    assert quick.redacted == tree.redacted


@given(VALUES)
def test_nothing_of_the_content_is_left_when_content_is_off(value: Any) -> None:
    tree = Capture(Rules(content=False)).tree([value], "x")
    marker = "xyzzy"
    marked = Capture(Rules(content=False)).tree([value, marker, {"k": marker}], "x")

    assert marker not in json.dumps(marked)
    for part in parts_of(tree):
        assert type(part) not in (int, float)


@given(VALUES, st.integers(1, 50), st.integers(1, 24), st.integers(8, 200))
def test_the_limits_hold(value: Any, nodes: int, depth: int, chars: int) -> None:
    limits = Limits(nodes=nodes, depth=depth, string_chars=chars)
    tree = Capture(Rules(limits=limits)).tree([value], "x")

    containers = [part for part in parts_of(tree) if type(part) in (dict, list)]
    items = sum(len(container) for container in containers)
    assert items <= nodes + len(containers)
    for part in parts_of(tree):
        if type(part) is str:
            assert len(part) <= max(chars, 256) + 120
    levels, level = 0, [tree]
    while level := [p for p in level if type(p) in (dict, list)]:
        levels += 1
        level = [
            item
            for part in level
            for item in (part.values() if type(part) is dict else part)
        ]
    assert levels <= depth


@given(TEXTS, TEXTS, TEXTS)
@settings(max_examples=500)
def test_a_suspect_text_stays_suspect_among_others(a: str, b: str, c: str) -> None:
    redactor = Redactor()
    if redactor.spans(b):
        assert redactor.is_suspect(b)
        assert redactor.is_suspect(f"{a}\n{b}\n{c}")


@pytest.mark.parametrize("number", range(len(PATTERNS)))
@given(data=st.data())
@settings(max_examples=40)
def test_the_quick_test_knows_every_match_of_every_pattern(
    number: int, data: st.DataObject
) -> None:
    text = data.draw(st.from_regex(PATTERNS[number].regex))

    redactor = Redactor()
    if redactor.spans(text):
        assert redactor.is_suspect(text)


@given(VALUES, st.integers(900, 3000))
def test_a_shrunk_event_fits(value: Any, limit_bytes: int) -> None:
    tree = Capture(RULES).tree(value, "x")
    event = {"event_id": "e", "type": "T", "tool_call": {"arguments": {"a": tree}}}

    shrunk = shrink(event, limit_bytes)

    assert len(orjson.dumps(shrunk)) <= limit_bytes
    assert shrunk["event_id"] == "e"
