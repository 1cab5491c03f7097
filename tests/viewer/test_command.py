"""`chaukas view` where it cannot show anything: one line, and exit code 2."""

from __future__ import annotations

import importlib.util
import socket
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from chaukas.cli import main
from chaukas.viewer import build

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have a page, whether this checkout has built it or not."""
    monkeypatch.setattr(build, "is_current", lambda: True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def _said(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["view", "--no-open", *arguments])
    return done.exit_code, done.output


def test_what_is_not_installed_is_named_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> object:
        return None if name in {"starlette", "uvicorn"} else real(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    assert _said("record.jsonl") == (
        2,
        (
            "chaukas: the page needs starlette and uvicorn: not installed here."
            " Install with: pip install 'chaukas-sdk[view]'\n"
        ),
    )


def test_a_page_that_cannot_be_built_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_say: object) -> None:
        raise build.BuildError("no Node")

    monkeypatch.setattr(build, "build", fail)
    monkeypatch.setattr(build, "is_built", lambda: False)
    assert _said("record.jsonl") == (2, "chaukas: no Node\n")


def test_a_record_that_is_not_there_is_refused() -> None:
    code, said = _said("nothing.jsonl")
    assert code == 2
    assert said.startswith("chaukas: ")
    assert "'nothing.jsonl'" in said


def test_a_port_in_use_is_refused_with_the_remedy(tmp_path: Path) -> None:
    record = tmp_path / "record.jsonl"
    record.touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert _said("--port", str(port), str(record)) == (
            2,
            (
                f"chaukas: port {port} is in use. Name another one, or 0 for any:"
                " chaukas view --port 0\n"
            ),
        )
