"""The published SDK 0.1.0, unchanged, in an environment of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.collector_process import CollectorProcess
from tests.support.environments import new_environment

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).with_name("published_program.py")


def test_the_published_sdk_delivers_with_a_key(tmp_path):
    python = new_environment(tmp_path / "venv", "chaukas-sdk==0.1.0")
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    with CollectorProcess(tmp_path / "data") as collector:
        key = collector.key("old")
        subprocess.run(
            [python, PROGRAM, collector.http, key, "12"],
            check=True,
            cwd=tmp_path,
            env=environ,
            timeout=60,
        )
        found = collector.get("/api/events?order=arrival", key)[1]["items"]

    assert [one["text"] for one in found] == [f"hello {n}" for n in range(12)]
    assert {one["tenant_id"] for one in found} == {"old"}
