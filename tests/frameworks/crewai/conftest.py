"""CrewAI as tests need it: quiet, offline, and with nothing of an earlier test."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from typing import TYPE_CHECKING

# Before it is loaded: it reads them then. Nothing of it leaves the machine.
os.environ |= {
    "CREWAI_TRACING_ENABLED": "false",
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_DISABLE_VERSION_CHECK": "true",
    "CREWAI_TESTING": "true",
    "OTEL_SDK_DISABLED": "true",
    "CREWAI_STORAGE_DIR": tempfile.mkdtemp(prefix="chaukas-crewai-"),
}

# Late: what is set above counts when they are loaded.
import crewai
import pytest

from tests.frameworks.crewai.releases import BROKEN, NEEDS, RELEASE, numbers_of

__all__: tuple[str, ...] = ()

if TYPE_CHECKING:
    from collections.abc import Iterator

assert crewai
atexit.register(shutil.rmtree, os.environ["CREWAI_STORAGE_DIR"], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what the installed release does not have."""
    for item in items:
        least, lacks = NEEDS.get(item.name, ("0", ""))
        if numbers_of(RELEASE) < numbers_of(least):
            reason = f"crewai {least}: {lacks or 'there is no such thing before'}"
            item.add_marker(pytest.mark.skip(reason=reason))
        if (RELEASE, item.name) in BROKEN:
            reason = BROKEN[RELEASE, item.name]
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def _clean_crewai(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give CrewAI the key that it insists on, and forget the hooks of a test."""
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    yield
    # Of the releases that have such hooks.
    for name in ("crewai.hooks.dispatch", "crewai.hooks"):
        module = sys.modules.get(name)
        for clear in ("clear_all", "clear_all_global_hooks"):
            getattr(module, clear, int)()
