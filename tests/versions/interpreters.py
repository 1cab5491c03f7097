"""
Run the tests with every Python on this machine, and with the oldest dependencies.

    python tests/versions/interpreters.py [--all] [--keep FOLDER] [--check | --write]

Each run gets an environment of its own with this checkout. Without `--all` these are
the oldest Python, the newest, and the oldest once more with the lowest versions that
pyproject.toml allows; the Python of this script is left out, since the whole suite runs
with it. Pythons are looked for on the PATH and among those that pyenv and uv installed.
One that is not on the machine is reported and not tested. The table is in README.md.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    # As a script, it has its own folder on the path and not the checkout.
    sys.path.insert(0, str(_ROOT))

# Late: only now is it found.
from tests.support.environments import install, new_environment  # noqa: E402
from tests.versions.tables import markdown, rows_in, with_table  # noqa: E402

__all__ = (
    "DOCUMENT",
    "MINORS",
    "TABLE",
    "TESTS",
    "Run",
    "chosen",
    "interpreters",
    "lowest",
    "main",
    "stale_rows",
)

MINORS = (10, 11, 12, 13, 14)
"""The versions 3.x that are supported, or will be once they can be tested."""
DOCUMENT = _ROOT / "README.md"
"""Where the table is."""
TABLE = "Python versions"
"""Its name there."""
TESTS = (
    "tests/unit",
    "tests/laws",
    "tests/integrations/test_fake_collector.py",
    "tests/integrations/test_grpc_sink.py",
    "tests/integrations/test_http_sink.py",
    "tests/integrations/test_internal_faults.py",
    "tests/integrations/test_key_sources.py",
    "tests/integrations/test_lying_answers.py",
    "tests/integrations/test_openai_agents_models.py",
    "tests/integrations/test_openai_agents_runners.py",
    "tests/integrations/test_openai_agents_scenarios.py",
    "tests/integrations/test_openai_agents_streams.py",
    "tests/integrations/test_openai_agents_tools.py",
    "tests/integrations/test_tenacity.py",
)
"""The part of the default tests in which a version of Python can make a difference."""

_HEADS = ("Python", "dependencies", "tests")
_NEWEST, _LOWEST = "newest", "lowest allowed"
_PASSED, _FAILED, _ABSENT = "passed", "failed", "not tested: none available"
_ASK = (
    "import ensurepip, sys, venv; "
    "print(sys.version_info[1] if sys.version_info[0] == 3 else 0)"
)
# CPython 3.13.0 can crash when pytest reads the local variables of a failed test, which
# every other style of traceback shows.
_OPTIONS = ("-q", "-n", "auto", "--tb=native", "-p", "no:cacheprovider")
_DEADLINE_S = 2400


@dataclass(frozen=True, slots=True)
class Run:
    """One environment in which the tests run."""

    minor: int
    """The Python, as in 3.x."""
    is_lowest: bool = False
    """With the lowest versions that pyproject.toml allows."""

    @property
    def name(self) -> str:
        """The name of the environment's folder."""
        return f"3.{self.minor}-{'lowest' if self.is_lowest else 'newest'}"


def main() -> int:
    """Run the tests, print the table; 0 if they passed wherever they ran."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="every Python that is here")
    parser.add_argument("--keep", type=Path, help="folder whose environments stay")
    parser.add_argument("--write", action="store_true", help="renew the table")
    parser.add_argument("--check", action="store_true", help="compare its rows")
    given = parser.parse_args()
    pythons = interpreters()
    runs = chosen(tuple(pythons), sys.version_info[1], everything=given.all)
    with tempfile.TemporaryDirectory(prefix="chaukas-pythons-") as scratch:
        folder = given.keep or Path(scratch)
        rows = [_row(one, tests(folder, pythons[one.minor], one)) for one in runs]
    rows += [[f"3.{minor}", "-", _ABSENT] for minor in MINORS if minor not in pythons]
    text = DOCUMENT.read_text(encoding="utf-8")
    problems = [f"Python {row[0]}: the tests failed" for row in rows if _FAILED in row]
    if given.write and not problems:
        table = markdown(_HEADS, sorted(rows))
        DOCUMENT.write_text(with_table(text, TABLE, table), encoding="utf-8")
    if given.check:
        problems += stale_rows(text, rows)
    sys.stdout.write(markdown(_HEADS, sorted(rows)))
    sys.stdout.write("".join(f"{line}\n" for line in problems))
    return 1 if problems else 0


def interpreters() -> dict[int, str]:
    """Return a working Python for each minor version that is on this machine."""
    found: dict[int, str] = {}
    for path in _candidates():
        # A shim of pyenv may be there for a version that is switched off.
        done = subprocess.run(
            [path, "-c", _ASK], capture_output=True, text=True, check=False
        )
        if done.returncode == 0 and int(done.stdout) in MINORS:
            found.setdefault(int(done.stdout), path)
    return dict(sorted(found.items()))


def _candidates() -> list[str]:
    """Return the paths at which a Python may be, the preferred ones first."""
    home = Path.home()
    pyenv = Path(os.environ.get("PYENV_ROOT") or home / ".pyenv")
    uv = home / ".local" / "share" / "uv" / "python"
    names = [f"python3.{minor}" for minor in MINORS] + ["python3"]
    installed = [
        str(path)
        for name in names
        for pattern in (f"versions/*/bin/{name}", f"*/bin/{name}")
        for path in sorted((pyenv if "versions" in pattern else uv).glob(pattern))
    ]
    on_path = [path for name in names if (path := shutil.which(name))]
    # Its base: an environment made from an environment may lack pip.
    own = str(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info[1]}")
    return [own, *on_path, *installed]


def chosen(minors: tuple[int, ...], own: int, *, everything: bool) -> list[Run]:
    """Return the runs for the Pythons that are here, of which *own* is running."""
    oldest, newest = min(minors), max(minors)
    wanted = set(minors) if everything else {oldest, newest} - {own}
    return [Run(oldest, is_lowest=True), *(Run(minor) for minor in sorted(wanted))]


def tests(folder: Path, python: str, run: Run) -> bool:
    """Run the tests in the environment of *run*; return whether they passed."""
    inside = _environment(folder, python, run)
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CHAUKAS_", "OPENAI_", "PYTHON", "VIRTUAL_ENV"))
    }
    sys.stderr.write(f"== Python 3.{run.minor}, {_dependencies(run)} dependencies\n")
    done = subprocess.run(
        [inside, "-m", "pytest", *_OPTIONS, *TESTS],
        cwd=_ROOT,
        env=env,
        timeout=_DEADLINE_S,
        # The row says it.
        check=False,
    )
    return done.returncode == 0


def _environment(folder: Path, python: str, run: Run) -> str:
    """Make the environment of *run*; return its Python."""
    place = folder / run.name
    inside = new_environment(place, "-e", f"{_ROOT}[dev]", python=python)
    if run.is_lowest:
        # Afterwards: packages that only the tests need ask for newer ones.
        install(inside, *lowest(_project()))
    return inside


def _project() -> str:
    return (_ROOT / "pyproject.toml").read_text(encoding="utf-8")


def lowest(project: str) -> list[str]:
    """
    Return the dependencies in the text of pyproject.toml, each pinned to its bound.

    Raises:
        ValueError: A dependency without a lower bound.
    """
    # A reader of TOML is in the standard library from 3.11 on.
    listed = re.search(
        r"^dependencies = \[\n(.*?)^\]", project, re.MULTILINE | re.DOTALL
    )
    lines = listed[1].splitlines() if listed else []
    wanted = [line.strip(' ",') for line in lines if line.strip().startswith('"')]
    pinned = [re.sub(r"^([\w.-]+)>=([\d.]+).*$", r"\1==\2", each) for each in wanted]
    if not pinned or not all("==" in each for each in pinned):
        message = f"Each dependency needs a lower bound: {wanted}"
        raise ValueError(message)
    return pinned


def _dependencies(run: Run) -> str:
    return _LOWEST if run.is_lowest else _NEWEST


def _row(run: Run, has_passed: bool) -> list[str]:
    return [f"3.{run.minor}", _dependencies(run), _PASSED if has_passed else _FAILED]


def stale_rows(text: str, rows: list[list[str]]) -> list[str]:
    """Return one line for each run that the table in *text* does not have so."""
    written = rows_in(text, TABLE)
    return [
        f"{DOCUMENT.name}: no row says {' | '.join(row)!r}. Use --all --write."
        for row in rows
        # What is not on this machine may have been on another one; and the lowest
        # versions are tested with the oldest Python that there is.
        if row[2] != _ABSENT and row[1] != _LOWEST and row not in written
    ]


if __name__ == "__main__":
    sys.exit(main())
