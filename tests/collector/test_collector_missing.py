"""A collector without the packages that it needs says so in one line."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("package", ["starlette", "uvicorn"])
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    tmp_path, package
):
    code = (
        "import sys\n"
        f"sys.modules[{package!r}] = None\n"
        "from chaukas.cli import main\n"
        f"main(['collector', 'run', '--data', {str(tmp_path)!r}])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"needs the package {package}" in done.stderr
    assert "pip install 'chaukas-sdk[collector]'" in done.stderr
    assert not list(tmp_path.iterdir())
