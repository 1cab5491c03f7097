"""Run an example as a user would, in its own process, and read what it recorded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from chaukas.sdk import integrity

__all__ = ("EXAMPLES", "Ran", "run_example", "run_program")

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
_DEADLINE_S = 120
_OWN = ("OPENAI_", "GOOGLE_", "CHAUKAS_")
"""Variables by which the settings of this machine would decide."""


class Ran(NamedTuple):
    """An example that ended well: what it printed, and what it recorded."""

    stdout: str
    stderr: str
    file: Path
    events: list[dict[str, Any]]


def run_program(
    name: str, folder: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    """Run an example in *folder*, with *options* of Python; fail if it fails."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(_OWN)}
    environ |= {"CHAUKAS_RAISE_INTERNAL": "1", "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, *options, str(EXAMPLES / f"{name}.py")],
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=_DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def run_example(name: str, folder: Path, *options: str) -> Ran:
    """Run an example in *folder*, and read the one file that it wrote there."""
    done = run_program(name, folder, *options)
    (file,) = folder.glob("*.jsonl")
    lines = file.read_bytes().splitlines()
    assert integrity.verify(lines).ok
    events = [json.loads(line) for line in lines]
    return Ran(done.stdout, done.stderr, file, events)
