"""
Give CrewAI's tests what their repository gives them and its source distribution lacks.

A pytest plugin, loaded with chaukas and without: storage of each test's own, recorded
answers of models from `tests/cassettes`, no telemetry, and a bus without listeners of
the test before.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["vcr_cassette_dir", "vcr_config"]

os.environ |= {
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_DISABLE_VERSION_CHECK": "true",
    "CREWAI_TRACING_ENABLED": "false",
    "OTEL_SDK_DISABLED": "true",
}
_KEYS = (
    "ANTHROPIC_API_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "GOOGLE_API_KEY",
    "OPENAI_API_KEY",
)
"""Which clients insist on; no request leaves the machine."""


@pytest.fixture(autouse=True)
def _own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("CREWAI_STORAGE_DIR", str(tmp_path))
    monkeypatch.setenv("CREWAI_TESTING", "true")
    for name in _KEYS:
        monkeypatch.setenv(name, "fake")
    from crewai.events.base_events import reset_emission_counter
    from crewai.events.event_bus import crewai_event_bus

    reset_emission_counter()
    yield
    bus: Any = crewai_event_bus
    bus._sync_handlers.clear()
    bus._async_handlers.clear()


@pytest.fixture(scope="module")
def vcr_cassette_dir(request: pytest.FixtureRequest) -> str:
    """Return the folder of the recorded answers for a test module."""
    folder = request.path.parent
    tests = next(each for each in (folder, *folder.parents) if each.name == "tests")
    return str(tests / "cassettes" / folder.relative_to(tests))


@pytest.fixture(scope="module")
def vcr_config() -> dict[str, Any]:
    """Play what was recorded, and never record."""
    return {
        "record_mode": "none",
        "match_on": ["method", "scheme", "host", "port", "path"],
    }
