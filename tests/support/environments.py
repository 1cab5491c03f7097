"""Environments of their own for tests, and what is installed into them."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ("install", "new_environment", "python_of")

_ATTEMPTS = 2


def new_environment(place: Path, *packages: str, python: str = sys.executable) -> str:
    """
    Make an environment of *python* in *place*, where none stays; return its Python.

    Raises:
        subprocess.CalledProcessError: It failed twice; stderr has what was said.
    """
    # As a process: what is said when it fails is seen, and any Python will do.
    _call([python, "-m", "venv", "--clear", str(place)])
    inside = python_of(place)
    if packages:
        install(inside, *packages)
    return inside


def python_of(place: Path) -> str:
    """Return the interpreter of the environment in *place*."""
    return str(place / "bin" / "python")


def install(python: str, *wanted: str) -> None:
    """
    Install *wanted*, which are packages and options of pip, for *python*.

    Raises:
        subprocess.CalledProcessError: It failed twice; stderr has what was said.
    """
    pip = [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    _call([*pip, *wanted])


def _call(command: list[str]) -> None:
    """Run *command*, and once more if it fails: registries have their moments."""
    for attempt in range(1, _ATTEMPTS + 1):
        done = subprocess.run(command, check=False)
        if done.returncode == 0:
            return
        sys.stderr.write(f"attempt {attempt}: exit code {done.returncode}: {command}\n")
    done.check_returncode()
