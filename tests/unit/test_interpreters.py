"""What the runs with other Pythons cover, and what the README claims of them."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.versions import interpreters
from tests.versions.interpreters import Run
from tests.versions.tables import markdown, rows_in, with_table

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
EMPTY = f"<!-- generated: {interpreters.TABLE} -->\n<!-- end -->\n"


@pytest.fixture
def place(tmp_path: Path) -> Callable[[str, str], None]:
    """Return a function that puts an executable script somewhere below *tmp_path*."""

    def put(name: str, script: str) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)

    return put


def test_the_oldest_the_newest_and_the_lowest_dependencies_are_tested() -> None:
    runs = interpreters.chosen((10, 11, 12, 13), 11, everything=False)
    assert runs == [Run(10, is_lowest=True), Run(10), Run(13)]


def test_the_python_of_the_whole_suite_is_not_run_twice() -> None:
    runs = interpreters.chosen((11,), 11, everything=False)
    assert runs == [Run(11, is_lowest=True)]


def test_every_python_is_tested_when_asked_for() -> None:
    runs = interpreters.chosen((10, 11, 14), 11, everything=True)
    assert runs == [Run(10, is_lowest=True), Run(10), Run(11), Run(14)]


def test_a_shim_without_its_python_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: Callable[[str, str], None]
) -> None:
    place("bin/python3.14", "exit 127")
    place("pyenv/versions/3.14.1/bin/python3.14", "echo 14")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("HOME", str(tmp_path))

    found = interpreters.interpreters()

    assert set(found) == {14, sys.version_info[1]}
    assert found[14].startswith(str(tmp_path / "pyenv"))


def test_every_dependency_has_a_lower_bound_that_is_tested() -> None:
    pinned = interpreters.lowest(PROJECT)
    assert {each.partition("==")[0] for each in pinned} == {
        "click",
        "genai-prices",
        "grpcio",
        "orjson",
        "protobuf",
        "rich",
        "urllib3",
        "wrapt",
    }
    with pytest.raises(ValueError, match="lower bound"):
        interpreters.lowest('dependencies = [\n    "click",\n]\n')


def test_the_readme_has_a_row_for_every_python() -> None:
    rows = rows_in(README, interpreters.TABLE)
    assert {row[0] for row in rows} == {f"3.{minor}" for minor in interpreters.MINORS}
    assert sum(row[1:] == ["lowest allowed", "passed"] for row in rows) == 1


def test_only_pythons_that_passed_are_claimed() -> None:
    rows = rows_in(README, interpreters.TABLE)
    passed = {row[0] for row in rows if row[1:] == ["newest", "passed"]}
    assert set(re.findall(r":: Python :: (3\.\d+)", PROJECT)) == passed
    assert f"| Python | 3.10 to 3.{max(int(name[2:]) for name in passed)}" in README


def test_a_run_that_the_readme_does_not_have_is_reported() -> None:
    row = ["3.12", "newest", "passed"]
    text = with_table(EMPTY, interpreters.TABLE, markdown("abc", [row]))

    assert interpreters.stale_rows(text, [row]) == []
    assert len(interpreters.stale_rows(EMPTY, [row])) == 1


def test_a_python_that_is_not_on_this_machine_changes_no_table() -> None:
    row = ["3.14", "-", "not tested: none available"]
    assert interpreters.stale_rows(EMPTY, [row]) == []


@pytest.mark.parametrize("path", interpreters.TESTS)
def test_the_tests_that_are_run_exist(path: str) -> None:
    assert (ROOT / path).exists()
