"""The public names have the types that a user's type checker is told."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import chaukas.sdk

ROOT = Path(__file__).resolve().parent.parent


def test_a_users_program_is_free_of_type_errors(tmp_path: Path) -> None:
    options = ["--strict", "--warn-unreachable", "--follow-imports=silent"]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            *options,
            # The user's own configuration, not that of this repository.
            f"--config-file={os.devnull}",
            f"--cache-dir={tmp_path}",
            str(ROOT / "tests" / "typing" / "api.py"),
        ],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_short_name_shows_type_checkers_every_public_name() -> None:
    tree = ast.parse((ROOT / "chaukas" / "__init__.py").read_text(encoding="utf-8"))
    shown = {
        alias.asname
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "chaukas.sdk"
        for alias in node.names
    }
    assert shown == set(chaukas.sdk.__all__)


def test_both_packages_say_that_they_are_typed() -> None:
    # Type checkers look for the mark beside each name that can be imported alone.
    assert (ROOT / "chaukas" / "py.typed").is_file()
    assert (ROOT / "chaukas" / "sdk" / "py.typed").is_file()
