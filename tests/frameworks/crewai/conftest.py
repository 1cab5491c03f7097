"""CrewAI as tests need it: quiet, offline, and with nothing of an earlier test."""

from __future__ import annotations

import os
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
import crewai  # noqa: E402
import pytest  # noqa: E402

__all__: tuple[str, ...] = ()

if TYPE_CHECKING:
    from collections.abc import Iterator

assert crewai


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
