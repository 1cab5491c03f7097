"""The filter language: what a line means, and what is said of a wrong one."""

from __future__ import annotations

import pytest

from chaukas.store.filter import FIELDS, Filter, FilterError, Term, parse

NOW_US = 1_767_268_800_000_000


def terms(line: str) -> tuple[Term, ...]:
    return parse(line, NOW_US).terms


def test_an_empty_line_lets_everything_pass() -> None:
    assert parse("  ", NOW_US) == Filter()


@pytest.mark.parametrize(
    ("line", "term"),
    [
        ("umbrella", Term("", ":", ("umbrella",))),
        ('"two words"', Term("", ":", ("two words",))),
        ('"with \\" in it"', Term("", ":", ('with " in it',))),
        ("-umbrella", Term("", ":", ("umbrella",), is_not=True)),
        ("agent:desk", Term("agent", ":", ("desk",))),
        ("agent=desk", Term("agent", ":", ("desk",))),
        ('agent:"front desk",billing', Term("agent", ":", ("front desk", "billing"))),
        ("AGENT:Desk", Term("agent", ":", ("Desk",))),
        ("-tool:a,b", Term("tool", ":", ("a", "b"), is_not=True)),
        ("run:4f*", Term("trace", ":", ("4f*",))),
        ("retry>0", Term("retries", ">", number=0.0)),
        ("cost>=0.1", Term("cost", ">=", number=0.1)),
        ("cost>$0.1", Term("cost", ">", number=0.1)),
        ("calls:3", Term("calls", ":", number=3.0)),
        ("duration<1.5s", Term("duration", "<", number=1500.0)),
        ("duration>2m", Term("duration", ">", number=120_000.0)),
        ("duration>250", Term("duration", ">", number=250.0)),
        ("since:1h", Term("since", ":", number=NOW_US - 3.6e9)),
        ("until:2026-01-01", Term("until", ":", number=1_767_225_600_000_000)),
        ("since:2026-01-01T12:00Z", Term("since", ":", number=NOW_US)),
        ("since:2026-01-01T13:00+01:00", Term("since", ":", number=NOW_US)),
    ],
)
def test_a_condition_means_this(line: str, term: Term) -> None:
    assert terms(line) == (term,)


def test_all_conditions_of_a_line_hold() -> None:
    line = 'agent:desk status:failed cost>0.1 "no order" -tool:refund'
    assert [term.field for term in terms(line)] == [
        "agent",
        "status",
        "cost",
        "",
        "tool",
    ]


@pytest.mark.parametrize(
    ("line", "position", "text"),
    [
        ("x agnt:a", 2, "no field 'agnt': did you mean agent"),
        ("http://a", 0, "no field 'http': there are agent, model"),
        ("cost:abc", 5, "'abc' is no number: what it cost"),
        ("cost:nan", 5, "'nan' is no number"),
        ("cost:1e999", 5, "is no number"),
        ("model>3", 5, "model> is not possible, but model:"),
        ("status:broken", 7, "no status 'broken': there are cancelled"),
        ('agent:"x', 6, "a quote that is not closed"),
        ("cost>", 5, "cost> lacks a value"),
        ("agent: x", 6, "agent: lacks a value"),
        ("since:soon", 6, "'soon' is no time, such as 30m"),
        ("duration>fast", 9, "'fast' is no duration"),
        ("-", 0, "'-' is no word"),
    ],
)
def test_a_wrong_line_says_where_and_what_is_possible(
    line: str, position: int, text: str
) -> None:
    with pytest.raises(FilterError) as caught:
        parse(line, NOW_US)
    assert caught.value.position == position
    assert text in caught.value.message
    assert caught.value.message.startswith(f"character {position + 1}: ")
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("line", ["a " * 65, "x" * 4001])
def test_a_line_without_end_is_refused(line: str) -> None:
    with pytest.raises(FilterError):
        parse(line, NOW_US)


def test_every_field_says_what_it_is() -> None:
    assert all(field.help and field.operators for field in FIELDS.values())
