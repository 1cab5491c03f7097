"""Collectors for the tests of this folder, as processes of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.collector_process import CollectorProcess

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    """Mark what has no other command: it has one of its own."""
    for item in items:
        is_other = any(map(item.get_closest_marker, ("fault", "slow", "browser")))
        if HERE in item.path.parents and not is_other:
            item.add_marker("collector")


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One collector for the tests of a module that do not disturb one another."""
    with CollectorProcess(tmp_path_factory.mktemp("shared") / "data") as running:
        yield running


@pytest.fixture
def collector(tmp_path):
    with CollectorProcess(tmp_path / "data") as running:
        yield running
