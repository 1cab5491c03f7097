"""CrewAI as tests need it: quiet, offline, and with nothing of an earlier test."""

from __future__ import annotations

import os
import tempfile

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

assert crewai


@pytest.fixture(autouse=True)
def _no_hooks_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give CrewAI the key that it insists on, which the other fixtures remove."""
    monkeypatch.setenv("OPENAI_API_KEY", "x")
