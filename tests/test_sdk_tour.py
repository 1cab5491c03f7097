"""
The tour: every feature is played, and leaves on record what docs/COVERAGE.md says.

Also that the document itself can be trusted: its rows are complete, and the tests that
it names are there.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import pytest

import chaukas.sdk
from tests.support.agent_runs import record
from tests.support.trees import check, named
from tests.test_examples import Ran, run
from tour import MODULES, STOPS, load, shape

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
COVERAGE = ROOT / "docs" / "COVERAGE.md"

VALUES: dict[str, Any] = {
    "Core Agent System / Builder pattern": "Pirate",
    "Core Agent System / Dynamic system prompts": "You serve Acme.",
    "Core Agent System / Max tokens": 100,
    "Core Agent System / Temperature/top_p settings": 0.2,
    "Guardrails / LLM as a judge": {
        "metadata": {"kind": "OutputGuardrail"},
        "outcome": "allow",
        "policy_id": "judged",
        "rationale": "fine",
    },
    "Handoffs & Multi-Agent / Conditional handoffs": ["transfer_to_expert"],
    "Model Providers / Custom model providers": "small",
    "Tool System / Image tool output": {
        "output": {"image_url": "https://charts.example/1.png", "type": "image"}
    },
    "Tool System / Tool context": {"output": "caller call_1 for Acme"},
    "Tool System / `@function_tool` / `#[function_tool]`": "shout",
}
"""What the record tells, where no other test looks at that."""

UNRECORDED = {"Extensions / Visualization"}
"""Features that leave nothing on record, and why is in their note."""


@pytest.fixture(scope="module", autouse=True)
def missing() -> list[str]:
    """Load the tour's stops, and tell what is missing for some of them."""
    return load()


@pytest.fixture(scope="module")
def coverage() -> Iterator[Any]:
    """The module docs/coverage_rows.py."""
    sys.path.insert(0, str(ROOT / "docs"))
    yield import_module("coverage_rows")
    sys.path.remove(str(ROOT / "docs"))


@pytest.fixture(scope="module")
def toured(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The tour, as it ran in a process of its own."""
    return run("sdk_tour", tmp_path_factory.mktemp("tour"))


@pytest.fixture(scope="module")
def played(coverage: Any, toured: Ran) -> dict[str, Any]:
    """What came of each stop."""
    found = coverage.stops_of(toured.events)
    assert isinstance(found, dict)
    return found


def test_every_row_of_the_tables_is_a_stop_and_every_stop_is_in_a_row(
    coverage: Any, missing: list[str]
) -> None:
    assert missing == []
    stops = [stop.session_id for stop in STOPS]
    assert len(set(stops)) == len(stops)
    rows = coverage.rows()
    of_tables = [f"{row.table} / {row.name}" for row in rows["features"]]
    # 86 in the tables as they were published, all but those about examples.
    assert len(of_tables) == 86
    assert stops[: len(of_tables)] == of_tables, "in the order of the tables"
    others = rows["platform"] + rows["documentation"]
    assert all(bool(row.stops) != bool(row.note) for row in others)
    listed = set(of_tables).union(*(row.stops for row in others))
    assert listed == set(stops)


def test_every_module_of_the_tour_has_stops() -> None:
    modules = {stop.play.__module__ for stop in STOPS}
    assert modules == {f"tour.{name}" for name in MODULES}


def test_the_document_says_what_the_tour_records(
    coverage: Any, played: dict[str, Any]
) -> None:
    text = COVERAGE.read_text(encoding="utf-8")
    for name, block in coverage.blocks(played).items():
        assert f"<!-- generated: {name} -->\n{block}<!-- end -->" in text


def test_the_runner_prints_each_row_with_its_events(
    toured: Ran, played: dict[str, Any]
) -> None:
    for stop in STOPS:
        shape = played[stop.session_id].shape or "(no events)"
        assert f"\n{stop.row}\n    {shape}\n" in toured.stdout
    assert "ot run: " not in toured.stdout


def test_the_tour_is_balanced_and_nothing_inside_chaukas_failed(toured: Ran) -> None:
    check(toured.events)
    names = [e["metadata"]["name"] for e in toured.events if "SYSTEM" in e["type"]]
    system = [name for name in names if name.startswith("chaukas.")]
    assert system == ["chaukas.enabled", "chaukas.disabled"]
    begun = named(toured.events, "SESSION_START")
    own = {stop.session_id for stop in STOPS} - UNRECORDED
    assert own == {event["session_id"] for event in begun}
    assert len(begun) == len(own), "no stop opens a session of another"


def test_the_record_tells_of_the_feature(played: dict[str, Any]) -> None:
    silent = [
        name
        for name, stop in played.items()
        if (stop.shows and stop.value is None) or not (stop.shape or stop.note)
    ]
    assert not silent
    assert {name: played[name].value for name in VALUES} == VALUES
    assert {name for name, stop in played.items() if not stop.shape} == UNRECORDED
    prompt = played["Handoffs & Multi-Agent / Handoff prompts"].value
    assert prompt.endswith("\n\nHand over.")
    assert prompt != "Hand over."


def test_no_audio_and_no_key_is_in_the_file_of_the_tour(toured: Ran) -> None:
    text = toured.file.read_text(encoding="utf-8")
    for word in ("a-key-of-the-example", "aGVsbG8gd29ybGQ=", "\\u0007\\u0000"):
        assert word not in text


def test_redis_is_the_same_where_its_server_is_not_installed(
    played: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (stop,) = (stop for stop in STOPS if stop.row == "Redis sessions")
    monkeypatch.setenv("PATH", "/nowhere")

    async def story() -> None:
        with chaukas.sdk.session(stop.session_id):
            playing = stop.play()
            assert playing is not None
            await playing

    recorded = record(story)
    assert recorded.error is None
    assert shape(recorded.events) == played[stop.session_id].shape


@cache
def named_in(file: str) -> frozenset[str]:
    """The tests of a file, those of classes as `Class::test`."""
    found = set()
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            inner = [each.name for each in node.body if _is_test(each)]
            found |= {f"{node.name}::{name}" for name in inner}
        elif _is_test(node):
            found.add(node.name)
    return frozenset(found)


def _is_test(node: Any) -> TypeGuard[ast.FunctionDef]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return isinstance(node, functions) and node.name.startswith("test_")


def test_the_tests_that_the_document_names_are_there(coverage: Any) -> None:
    listed = [row for rows in coverage.rows().values() for row in rows]
    assert all(row.tests for row in listed)
    tests = {test for row in listed for test in row.tests}
    missing = []
    for test in sorted(tests):
        file, _, name = test.partition("::")
        if not (ROOT / file).is_file() or name not in named_in(file):
            missing.append(test)
    assert not missing
    # And they are in the document as they are in the data.
    text = COVERAGE.read_text(encoding="utf-8")
    assert set(re.findall(r"`(tests/[^`]+::[^`]+)`", text)) == tests


def test_the_data_is_written_as_it_is_read() -> None:
    """No row twice: JSON would silently keep the last one."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        assert len(set(keys)) == len(keys), keys
        return dict(pairs)

    text = (ROOT / "docs" / "coverage.json").read_text(encoding="utf-8")
    assert json.loads(text, object_pairs_hook=unique)
