"""
Environments for frameworks that cannot share one with the rest of the tests.

Each release of a framework gets its own, with this checkout and what the tests need;
it is kept and used again until what is wanted in it changes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.support.environments import install, new_environment, python_of

__all__ = (
    "CACHE",
    "FRAMEWORKS",
    "Framework",
    "Release",
    "environment",
    "run_tests",
)

_ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(tempfile.gettempdir()) / "chaukas-frameworks"
"""Where environments are kept unless another folder is named."""
_TOOLS = ("hypothesis>=6.100", "pytest>=8.3", "pytest-asyncio>=0.25")
_DEADLINE_S = 1800
_UNWANTED = ("CHAUKAS_", "OPENAI_", "PYTHON", "VIRTUAL_ENV")


@dataclass(frozen=True, slots=True)
class Release:
    """A release of a framework, and what it needs to work at all."""

    version: str
    pins: tuple[str, ...] = ()
    """Packages whose newest version it does not work with, or was not made for."""


@dataclass(frozen=True, slots=True)
class Framework:
    """A framework whose tests are in a folder of its name."""

    name: str
    """Of the folder in `tests/frameworks`, and of the integration."""
    package: str
    """As it is installed."""
    releases: tuple[Release, ...]
    """Those that are tested, the oldest first; the last one if none is asked for."""
    extras: tuple[str, ...] = ()
    """Other packages that the tests need."""


FRAMEWORKS = {
    each.name: each
    for each in (
        Framework(
            "crewai",
            "crewai",
            (Release("1.11.0"), Release("1.14.7"), Release("1.15.30")),
            ("crewai[a2a]", "litellm<1.96", "mcpadapt", "openai-agents<0.20"),
        ),
        Framework(
            "google_adk",
            "google-adk",
            (
                Release("1.10.0"),
                Release("1.39.1"),
                Release("2.0.0"),
                Release("2.13.0"),
            ),
            (
                "a2a-sdk",
                "aiohttp",
                "aiosqlite",
                "anthropic",
                "mcp",
                "opentelemetry-sdk",
                "sqlalchemy[asyncio]",
                "uvicorn",
                "websockets",
            ),
        ),
    )
}
"""All of them, by name."""


def environment(folder: Path, framework: Framework, release: Release) -> Path:
    """Make the environment of *release* in *folder* unless it is there; return it."""
    place = folder / f"{framework.name}-{release.version}"
    packages = [f"{framework.package}=={release.version}", *release.pins]
    wanted = " ".join([*packages, *framework.extras, *_TOOLS])
    done = place / "installed"
    if not done.exists() or done.read_text(encoding="utf-8") != wanted:
        folder.mkdir(parents=True, exist_ok=True)
        new_environment(place, *wanted.split())
        done.write_text(wanted, encoding="utf-8")
    # Another checkout may have been the last to use it.
    install(python_of(place), "-e", str(_ROOT), *packages)
    return place


def run_tests(place: Path, framework: Framework, options: list[str]) -> int:
    """Run the framework's tests in the environment at *place*; return pytest's code."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(_UNWANTED)}
    tests = [each for each in options if each.startswith("tests/")]
    folder = [] if tests else [f"tests/frameworks/{framework.name}"]
    # Frameworks warn of much that is theirs alone.
    command = [python_of(place), "-m", "pytest", "-q", "-W", "ignore"]
    sys.stderr.write(f"== {place.name}\n")
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", *options, *folder],
        cwd=_ROOT,
        env=env,
        timeout=_DEADLINE_S,
        # Its code is the answer.
        check=False,
    )
    return done.returncode
