"""
Run the tests of frameworks that need an environment of their own.

    python tests/frameworks/run.py [NAME …] [--release VERSION | --all] [-- OPTION …]

Without a name, those of every framework; without a release, of the newest that is
tested. What stands after `--` is for pytest. `--python` prints the interpreter of the
environment instead, for trying something out in it. The environments are large; they
are kept in the folder for temporary files, or in the one that `--keep` names.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

if __name__ == "__main__":
    # As a script, it has its own folder on the path and not the checkout.
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

# Late: only now is it found.
from tests.frameworks.environments import (
    CACHE,
    FRAMEWORKS,
    Framework,
    Release,
    environment,
    run_tests,
)
from tests.support.environments import python_of

__all__ = ("chosen", "main")


def main() -> int:
    """Run the tests; 0 if all passed."""
    own, options = _split(sys.argv[1:])
    given = _arguments(own)
    failed = []
    for name in given.names or FRAMEWORKS:
        framework = FRAMEWORKS[name]
        for release in chosen(framework, given.release, everything=given.all):
            place = environment(given.keep, framework, release)
            if given.python:
                sys.stdout.write(f"{python_of(place)}\n")
            elif run_tests(place, framework, options):
                failed.append(f"{framework.package} {release.version}")
    sys.stdout.write("".join(f"{each}: the tests failed\n" for each in failed))
    return 1 if failed else 0


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Return what stands before `--` and what stands after it."""
    place = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:place], arguments[place + 1 :]


def _arguments(own: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    # Not `choices`: with them, argparse of Python 3.10 refuses an empty list.
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(FRAMEWORKS))
    parser.add_argument("--release", metavar="VERSION", help="this one alone")
    parser.add_argument("--all", action="store_true", help="every release listed")
    parser.add_argument("--keep", type=Path, default=CACHE, help="folder for them")
    parser.add_argument("--python", action="store_true", help="print the interpreter")
    given = parser.parse_args(own)
    if unknown := [name for name in given.names if name not in FRAMEWORKS]:
        parser.error(f"no framework {unknown[0]!r}: there is {', '.join(FRAMEWORKS)}")
    return given


def chosen(
    framework: Framework, version: str | None, *, everything: bool = False
) -> list[Release]:
    """Return the releases to test; one that is not listed gets what pip finds."""
    if everything:
        return list(framework.releases)
    listed = {release.version: release for release in framework.releases}
    if version is None:
        return [framework.releases[-1]]
    return [listed.get(version) or Release(version)]


if __name__ == "__main__":
    sys.exit(main())
