"""
The judge of the version matrix is judged here: it must find what is wrong.

Its runs build environments and nearly always find nothing, which a checker that checks
nothing would find as well.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.versions import expected, run, stories
from tests.versions.tables import markdown, rows_in, with_table

_EMPTY = f"<!-- generated: {run.TABLE} -->\n<!-- end -->\n"
_ROWS = [["1.0", "2.0", "3.11", "5", "0", "0", "9 of 9", "-"]]


def _report(**changes: Any) -> dict[str, Any]:
    """A report of one story that went well, with *changes* to it."""
    played: dict[str, Any] = {
        "story": "responses_tool",
        "mode": "run",
        "bare": ["3"],
        "seen": ["3"],
        "tree": expected.tree_expected("responses_tool", "run", "0.24.0"),
        "facts": list(expected.FACTS["responses_tool"]),
        "broken": "",
        "logged": [],
        "dropped": {},
    }
    return {
        "python": "3.11.7",
        "versions": {"openai-agents": "0.24.0", "openai": "3.52.0"},
        "hooks": {"active": ["a", "b"], "waiting": ["c"], "missing": ["d"]},
        "results": [played | changes],
    }


def test_a_story_that_went_as_stated_is_no_problem() -> None:
    assert run.judge(_report()) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"seen": ["4"]},
        {"tree": "SESSION"},
        {"facts": []},
        {"broken": "TOOL 1 has 0 ENDs"},
        {"logged": ["chaukas: internal error"]},
        {"dropped": {"queue_full": 1}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_whatever_is_not_as_stated_is_a_problem(changes: dict[str, Any]) -> None:
    report = _report(**changes)

    assert run.judge(report)
    assert run.row_of(report)[6] == "0 of 1"


def test_a_row_counts_hook_points_and_stories() -> None:
    assert run.row_of(_report()) == [
        "0.24.0",
        "3.52.0",
        "3.11",
        "3",
        "0",
        "1",
        "1 of 1",
        "-",
    ]


def test_what_an_old_release_lacks_is_told_in_words() -> None:
    assert expected.missed("0.24.0") == []
    assert any("session classes" in words for words in expected.missed("0.19.4"))


def test_a_difference_holds_only_for_the_releases_that_it_names() -> None:
    trees = [
        expected.tree_expected("failing_tool", "run", version)
        for version in ("0.7.0", "0.8.4", "0.9.0")
    ]
    assert trees[0] == trees[2] != trees[1]


def test_a_story_is_played_from_the_release_on_that_has_what_it_needs() -> None:
    told = [expected.is_there("slow_tool", version) for version in ("0.8.4", "0.9.3")]
    assert told == [False, True]


def test_every_story_and_mode_has_a_tree_in_every_release() -> None:
    for release in run.RELEASES:
        for story in stories.STORIES:
            for mode in stories.MODES:
                assert expected.tree_expected(story, mode, release.version)


def test_whatever_is_stated_belongs_to_a_story() -> None:
    stated = {*expected.TREES, *expected.SINCE, *expected.FACTS}
    stated |= {story for each in expected.DIFFERENCES for story in each.stories}

    assert {name.split(" ")[0] for name in stated} == set(stories.STORIES)


def test_every_difference_is_seen_by_a_release_of_the_matrix() -> None:
    versions = [release.version for release in run.RELEASES]
    for each in expected.DIFFERENCES:
        orders = [expected.order_of(version) for version in versions]
        since, before = map(expected.order_of, (each.since, each.before))
        assert any(since <= order < before for order in orders), each


def test_without_a_choice_the_oldest_and_the_newest_are_played() -> None:
    chosen = run.chosen([], everything=False)
    assert [one.version for one in chosen] == ["0.5.0", "0.24.0"]
    assert run.chosen([], everything=True) == list(run.RELEASES)


def test_a_release_that_is_not_listed_gets_an_openai_that_it_works_with() -> None:
    old, new = run.chosen(["0.7.0", "0.23.1"], everything=False)
    assert (old.pins, new.pins) == (("openai<2.45",), ())


def test_a_table_is_written_where_it_belongs_and_nowhere_else() -> None:
    text = "# x\n\n<!-- generated: this -->\nold\n<!-- end -->\n\ny\n"
    table = markdown(["a", "b"], [["1", "2"]])
    written = with_table(text, "this", table)

    assert written == text.replace("old\n", table)
    assert with_table(written, "this", table) == written
    assert rows_in(written, "this") == [["1", "2"]]


def test_a_row_that_is_not_in_the_document_is_reported() -> None:
    text = with_table(_EMPTY, run.TABLE, markdown([*"abcdefgh"], _ROWS))
    other = [[*_ROWS[0][:3], "6", *_ROWS[0][4:]]]
    elsewhere = [[*_ROWS[0][:2], "3.13", *_ROWS[0][3:]]]

    assert run.stale_rows(text, _ROWS) == run.stale_rows(text, elsewhere) == []
    assert len(run.stale_rows(text, other)) == 1


def test_the_document_has_a_row_for_every_release_of_the_matrix() -> None:
    rows = rows_in(run.DOCUMENT.read_text(encoding="utf-8"), run.TABLE)
    assert [row[0] for row in rows] == [one.version for one in run.RELEASES]
