"""
The packages that many programs switch on beside chaukas, the real ones, in every order.

Each is installed from the package index into an environment of its own, once. What the
application sees and what goes over the wire must be as without them all, and the record
as with chaukas alone.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.environments import new_environment, python_of
from tests.support.trees import named, tree_of

pytestmark = pytest.mark.slow

_ROOT = Path(__file__).resolve().parents[2]
_PROGRAM = Path(__file__).parent / "program.py"
_PACKAGES = (
    "openai-agents==0.24.0",
    "sentry-sdk",
    "openinference-instrumentation-openai-agents",
    "opentelemetry-instrumentation-openai-agents",
    "opentelemetry-sdk",
    "logfire",
    "ddtrace",
)
_COMPANIONS = ("sentry", "openinference", "traceloop", "logfire", "ddtrace")
_ORDERS = (
    *(f"chaukas,{name}" for name in _COMPANIONS),
    *(f"{name},chaukas" for name in _COMPANIONS),
    f"chaukas,{','.join(_COMPANIONS)}",
    f"{','.join(_COMPANIONS)},chaukas",
    f"{','.join(reversed(_COMPANIONS))},chaukas",
    "taken,chaukas",
    "taken,sentry,chaukas",
    "sentry,taken,chaukas",
    "taken,chaukas,sentry",
    "chaukas,taken,sentry",
)


@dataclass(frozen=True)
class Ended:
    """What one program came to."""

    code: int
    seen: Any
    wire: Any
    tree: str
    statuses: list[str]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the interpreter of an environment with all of the packages."""
    given = os.environ.get("CHAUKAS_COMPANIONS_ENV")
    folder = Path(given) if given else tmp_path_factory.mktemp("companions")
    if not Path(python_of(folder)).exists():
        new_environment(folder, str(_ROOT), *_PACKAGES)
    return python_of(folder)


def _ended(python: str, order: str, folder: Path) -> Ended:
    record = folder / "record.jsonl"
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CHAUKAS_", "OPENAI_", "SENTRY_", "DD_"))
    }
    ended = subprocess.run(
        [python, _PROGRAM, order, record],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        # This checkout, and not the one that was there when the packages came.
        env={**environment, "DD_TRACE_ENABLED": "false", "PYTHONPATH": str(_ROOT)},
    )
    told = json.loads(ended.stdout.splitlines()[-1]) if ended.stdout else {}
    events = (
        [json.loads(line) for line in record.read_text().splitlines()]
        if record.exists()
        else []
    )
    return Ended(
        ended.returncode,
        told.get("seen") or ended.stderr[-2000:],
        told.get("wire"),
        tree_of(events) if events else "",
        [event["status"] for event in named(events, "AGENT_END")],
    )


@pytest.fixture(scope="module")
def bare(python: str, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Return the program without any of them."""
    return _ended(python, "", tmp_path_factory.mktemp("bare"))


@pytest.fixture(scope="module")
def alone(python: str, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Return the program with chaukas alone."""
    return _ended(python, "chaukas", tmp_path_factory.mktemp("alone"))


def test_chaukas_alone_records_all_three_runs(alone: Ended, bare: Ended) -> None:
    assert (alone.code, alone.seen, alone.wire) == (0, bare.seen, bare.wire)
    assert alone.tree.count("AGENT Clerk") == 3
    assert alone.statuses[-1] == "EVENT_STATUS_FAILED"


@pytest.mark.parametrize("order", _ORDERS)
def test_no_order_of_switching_on_changes_program_or_record(
    order: str, python: str, bare: Ended, alone: Ended, tmp_path: Path
) -> None:
    ended = _ended(python, order, tmp_path)
    assert (ended.code, ended.seen, ended.wire) == (0, bare.seen, bare.wire)
    assert (ended.tree, ended.statuses) == (alone.tree, alone.statuses)
