"""Records, a server and a browser for the tests of the page."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.browser import Watched, browser, watched
from tests.support.example_runs import run_example
from tests.support.page_server import Served, served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

__all__: tuple[str, ...] = ()

EXAMPLES = (
    "handoffs",
    "tools",
    "guardrails",
    "streaming",
    "openai_retry_example",
    "tawk_style_platform",
    "multi_tenant_assistant",
)


@pytest.fixture(scope="session")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the records of several examples."""
    folder = tmp_path_factory.mktemp("records")
    for name in EXAMPLES:
        ran = run_example(name, tmp_path_factory.mktemp(name))
        ran.file.rename(folder / ran.file.name)
    return folder


@pytest.fixture(scope="session")
def viewed(records: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Yield the server of the command itself, which builds the page if need be."""
    command = [sys.executable, "-m", "chaukas.cli", "view", "--no-open", "--port", "0"]
    cache = tmp_path_factory.mktemp("cache")
    with served([records], cache, command=command) as server:
        server.enter()
        wait_until_read(server)
        yield server


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Yield one browser for all tests."""
    with browser() as started:
        yield started


@pytest.fixture
def seen(chromium: Browser, viewed: Served) -> Iterator[Watched]:
    """Yield the page, wide and light; whatever a test does, it stays well-behaved."""
    with watched(chromium, viewed) as page:
        yield page
        assert (page.dialogs, page.strangers, page.complaints) == ([], [], [])


def wait_until_read(server: Served) -> None:
    """Return once the record is indexed."""
    while json.loads(server.ask("/api/status").body)["state"] == "reading":
        pass
