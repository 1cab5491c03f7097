"""Records, a server and a browser for the tests of the page."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.browser import Watched, watched
from tests.support.page_server import Served, recorded, served, wait_until_read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

__all__: tuple[str, ...] = ()


@pytest.fixture(scope="session")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the records of several examples."""
    return recorded(tmp_path_factory.mktemp("examples"))


@pytest.fixture(scope="session")
def viewed(records: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Yield the server of the command itself, which builds the page if need be."""
    command = [sys.executable, "-m", "chaukas.cli", "view", "--no-open", "--port", "0"]
    cache = tmp_path_factory.mktemp("cache")
    with served([records], cache, command=command) as server:
        server.enter()
        wait_until_read(server)
        yield server


@pytest.fixture
def seen(chromium: Browser, viewed: Served) -> Iterator[Watched]:
    """Yield the page, wide and light; whatever a test does, it stays well-behaved."""
    with watched(chromium, viewed) as page:
        yield page
        assert (page.dialogs, page.strangers, page.complaints) == ([], [], [])
