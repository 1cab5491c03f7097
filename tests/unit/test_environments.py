"""Environments for tests: what fails once is tried again, what fails twice is told."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.environments import install

if TYPE_CHECKING:
    from pathlib import Path


def python_failing(times: int, folder: Path) -> str:
    """Return a program that fails so many *times*, and keeps how it was called."""
    program, calls = folder / "python", folder / "calls"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {calls}\n[ $(wc -l < {calls}) -gt {times} ]\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    return str(program)


def test_an_installation_that_fails_once_is_tried_again(tmp_path: Path) -> None:
    install(python_failing(1, tmp_path), "one", "two")
    called = (tmp_path / "calls").read_text(encoding="utf-8").splitlines()
    assert [line.split()[-2:] for line in called] == [["one", "two"]] * 2


def test_one_that_fails_twice_says_so_each_time(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        install(python_failing(2, tmp_path), "one")
    said = capfd.readouterr().err.splitlines()
    assert [line[: len("attempt 1: exit code 1")] for line in said] == [
        "attempt 1: exit code 1",
        "attempt 2: exit code 1",
    ]
