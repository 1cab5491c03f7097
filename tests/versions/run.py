"""
Run the same scenarios with old and new releases of openai-agents, and compare.

    python tests/versions/run.py [VERSION …] [--all] [--keep FOLDER] [--check | --write]

Each release gets an environment of its own, with this checkout and the packages that
it works with. Without a version, the oldest and the newest are tested. The table is in
docs/COMPATIBILITY.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    # As a script, it has its own folder on the path and not the checkout.
    sys.path.insert(0, str(_ROOT))

# Late: only now is it found.
from tests.support.environments import new_environment, python_of  # noqa: E402
from tests.versions.expected import (  # noqa: E402
    FACTS,
    missed,
    order_of,
    release_of,
    tree_expected,
)
from tests.versions.tables import markdown, rows_in, with_table  # noqa: E402

__all__ = ("DOCUMENT", "RELEASES", "TABLE", "Release", "judge", "main", "stale_rows")

DOCUMENT = _ROOT / "docs" / "COMPATIBILITY.md"
"""Where the table is."""
TABLE = "openai-agents versions"
"""Its name there."""

# That openai requires a field of usage which no release before this one fills in.
_FIRST_WITH_CACHE_WRITES, _BEFORE_CACHE_WRITES = "0.19", "openai<2.45"
_OLD = ("mcp==1.30.0", "pydantic==2.14.3")


@dataclass(frozen=True, slots=True)
class Release:
    """A release and what it needs to work at all."""

    version: str
    """Of openai-agents."""
    pins: tuple[str, ...] = ()
    """Packages whose newest version it does not work with, or was not made for."""


RELEASES = (
    Release("0.5.0", ("openai==2.7.1", *_OLD)),
    Release("0.8.4", ("openai==2.19.0", *_OLD)),
    Release("0.9.3", ("openai==2.19.0", *_OLD)),
    Release("0.12.5", ("openai==2.26.0", *_OLD)),
    Release("0.14.8", ("openai==2.32.0", *_OLD)),
    Release("0.19.4", ("openai==2.54.0", *_OLD)),
    Release("0.24.0", ("openai==3.52.0", "mcp==2.3.0", "pydantic==2.14.3")),
)
"""The matrix, the oldest first."""
# The scenarios of a release take 10 to 20 seconds on a machine with nothing else to do.
_DEADLINE_S = 600
_HEADS = (
    "openai-agents",
    "openai",
    "Python",
    "hook points active",
    "fallen back",
    "missing",
    "scenarios passed",
    "what the record lacks",
)
_PYTHON = 2


def main() -> int:
    """Run the scenarios, print the table; 0 if all came out as stated."""
    given = _arguments()
    releases = chosen(given.versions, everything=given.all or given.write)
    with tempfile.TemporaryDirectory(prefix="chaukas-versions-") as scratch:
        folder = given.keep or Path(scratch)
        with ThreadPoolExecutor(given.jobs) as pool:
            reports = list(pool.map(lambda one: play(folder, one), releases))
    problems = [line for report in reports for line in judge(report)]
    rows = [row_of(report) for report in reports]
    table, text = markdown(_HEADS, rows), DOCUMENT.read_text(encoding="utf-8")
    if given.write and not problems:
        DOCUMENT.write_text(with_table(text, TABLE, table), encoding="utf-8")
    if given.check:
        problems += stale_rows(text, rows)
    sys.stdout.write(table + "".join(f"{line}\n" for line in problems))
    return 1 if problems else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("versions", nargs="*", metavar="VERSION")
    parser.add_argument("--all", action="store_true", help="every release listed here")
    parser.add_argument("--keep", type=Path, help="folder whose environments stay")
    parser.add_argument("--jobs", type=int, default=2, help="releases at a time")
    parser.add_argument("--write", action="store_true", help="renew the table")
    parser.add_argument("--check", action="store_true", help="compare its rows")
    return parser.parse_args()


def chosen(versions: list[str], *, everything: bool) -> list[Release]:
    """Return the releases to test; one that is not listed gets what pip finds."""
    if everything:
        return list(RELEASES)
    listed = {release.version: release for release in RELEASES}
    wanted = versions or [RELEASES[0].version, RELEASES[-1].version]
    return [listed.get(version) or _unlisted(version) for version in wanted]


def _unlisted(version: str) -> Release:
    is_old = order_of(version) < order_of(_FIRST_WITH_CACHE_WRITES)
    return Release(version, (_BEFORE_CACHE_WRITES,) if is_old else ())


def play(folder: Path, release: Release) -> dict[str, Any]:
    """Return what the scenarios gave in the environment of *release*."""
    python = _environment(folder, release)
    output = folder / f"{release.version}.json"
    output.unlink(missing_ok=True)
    unwanted = ("CHAUKAS_", "OPENAI_", "PYTHON", "VIRTUAL_ENV")
    env = {k: v for k, v in os.environ.items() if not k.startswith(unwanted)}
    env["PYTHONPATH"] = os.pathsep.join([str(_ROOT), str(_ROOT / "examples")])
    env["CHAUKAS_RAISE_INTERNAL"] = "1"
    begun = time.monotonic()
    said = folder / f"{release.version}.log"
    # What is said by those that fail or do not end is repeated below.
    with said.open("wb") as log, suppress(subprocess.TimeoutExpired):
        subprocess.run(
            [python, "-m", "tests.versions.scenarios", str(output)],
            cwd=_ROOT,
            env=env,
            stdout=log,
            stderr=log,
            timeout=_DEADLINE_S,
            check=False,
        )
    took = f"openai-agents {release.version}: {time.monotonic() - begun:.0f} s"
    if not output.exists():
        sys.exit(f"{took}, and it was not tested:\n{said.read_text(encoding='utf-8')}")
    sys.stderr.write(f"{took}\n")
    report: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
    return report


def _environment(folder: Path, release: Release) -> str:
    """Make the environment of *release* unless it is there; return its Python."""
    place = folder / release.version
    wanted = ["-e", str(_ROOT), f"openai-agents=={release.version}", *release.pins]
    done = place / "installed"
    if not done.exists() or done.read_text(encoding="utf-8") != str(wanted):
        folder.mkdir(parents=True, exist_ok=True)
        new_environment(place, *wanted)
        done.write_text(str(wanted), encoding="utf-8")
    return python_of(place)


def judge(report: dict[str, Any]) -> list[str]:
    """Return one line for each thing that is not as stated."""
    return [
        f"{_version_of(report)} {played['story']} {played['mode']}: {problem}"
        for played in report["results"]
        for problem in _problems(played, _version_of(report))
    ]


def _problems(played: dict[str, Any], version: str) -> list[str]:
    found = []
    if played["bare"] != played["seen"]:
        bare, seen = json.dumps(played["bare"]), json.dumps(played["seen"])
        found.append(f"the application sees\n{seen}\ninstead of\n{bare}")
    expected = tree_expected(played["story"], played["mode"], version)
    if played["broken"]:
        found.append(played["broken"])
    elif played["tree"] != expected:
        found.append(f"the events are\n{played['tree']}\ninstead of\n{expected}")
    facts = FACTS.get(played["story"], ())
    lacking = [fact for fact in facts if fact not in played["facts"]]
    found += [f"no event says {fact!r}, only {played['facts']}" for fact in lacking]
    found += [f"chaukas says {line!r}" for line in played["logged"]]
    if played["dropped"]:
        found.append(f"events were lost: {played['dropped']}")
    return found


def _version_of(report: dict[str, Any]) -> str:
    version: str = report["versions"]["openai-agents"]
    return version


def row_of(report: dict[str, Any]) -> list[str]:
    """Return the cells of a release's row in the table."""
    version = _version_of(report)
    hooks = {name: len(targets) for name, targets in report["hooks"].items()}
    results = report["results"]
    failed = sum(bool(_problems(played, version)) for played in results)
    return [
        version,
        report["versions"]["openai"],
        release_of(report["python"], 2),
        # Those that wait for an import of the application are as good as active.
        str(hooks.get("active", 0) + hooks.get("waiting", 0)),
        str(hooks.get("fallback", 0)),
        str(hooks.get("missing", 0)),
        f"{len(results) - failed} of {len(results)}",
        "; ".join(missed(version)) or "-",
    ]


def stale_rows(text: str, rows: list[list[str]]) -> list[str]:
    """Return one line for each of *rows* that the table in *text* does not have so."""
    written = [_compared(row) for row in rows_in(text, TABLE)]
    return [
        f"{DOCUMENT.name}: the row of {row[0]} is not of this run. Use --write."
        for row in rows
        if _compared(row) not in written
    ]


def _compared(row: list[str]) -> list[str]:
    # Another machine may have another Python.
    return row[:_PYTHON] + row[_PYTHON + 1 :]


if __name__ == "__main__":
    sys.exit(main())
