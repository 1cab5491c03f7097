"""Every test that docs/COVERAGE.md names for a framework is there."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tests.frameworks.environments import FRAMEWORKS

ROOT = Path(__file__).resolve().parents[2]
_NAMED = re.compile(r"`(test_\w+\.py)::(test_\w+)`")


def test_the_tests_that_show_a_feature_exist() -> None:
    text = (ROOT / "docs" / "COVERAGE.md").read_text(encoding="utf-8")
    folders = [ROOT / "tests" / "frameworks" / name for name in FRAMEWORKS]
    named = set(_NAMED.findall(text))
    assert named
    missing = [
        f"{file}::{test}"
        for file, test in named
        if not any(
            (folder / file).exists()
            and f"def {test}(" in (folder / file).read_text(encoding="utf-8")
            for folder in folders
        )
    ]
    assert missing == []


def test_every_release_that_is_tested_is_in_the_table() -> None:
    text = (ROOT / "docs" / "COMPATIBILITY.md").read_text(encoding="utf-8")
    missing = [
        f"{each.package} {release.version}"
        for each in FRAMEWORKS.values()
        for release in each.releases
        if f"| {release.version} |" not in text
    ]
    assert missing == []


def test_no_folder_of_tests_is_imported_in_place_of_a_framework() -> None:
    here = [path for path in map(Path, sys.path) if path.is_relative_to(ROOT / "tests")]
    found = [path for path in here for name in FRAMEWORKS if (path / name).is_dir()]
    assert found == []
