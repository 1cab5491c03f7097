"""
Run a framework's own test suite twice, without chaukas and with it, and compare.

    python tests/sdk_suite/run.py [crewai]

A suite is thousands of statements of what a framework promises its users. That they
hold with chaukas enabled is the best proof there is that the host notices nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

_ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    # As a script, it has its own folder on the path and not the checkout.
    sys.path.insert(0, str(_ROOT))

# Late: only now is it found.
from tests.support.environments import (  # noqa: E402
    install,
    new_environment,
    python_of,
)

__all__ = ["Recording", "Selection", "compare", "main", "outcomes_of", "pins_of"]

VERSION = "0.24.0"
"""The release whose suite is run; the hook map was written for it."""
_PACKAGES = (
    # Of the suite's own development group, what its tests import.
    "pytest pytest-asyncio pytest-mock pytest-xdist inline-snapshot rich textual",
    "eval-type-backport fastapi coverage graphviz pyyaml",
    "mkdocs mkdocs-material mkdocs-static-i18n pymdown-extensions",
    # Extras of the SDK, so that their tests run instead of being skipped.
    "numpy websockets litellm any-llm-sdk cryptography sounddevice twilio docker",
    "SQLAlchemy[asyncio] asyncpg aiosqlite redis fakeredis pymongo temporalio",
    "dapr aiohttp grpcio protobuf opentelemetry-sdk",
)
_ABSENT = (
    # They test the SDK's repository: its workflows, scripts and release process,
    # which the source distribution does not hold.
    "test_asyncio_stability_command",
    "test_change_detection",
    "test_check_optional_truthiness",
    "test_code_change_verification_policy",
    "test_code_change_verification_runner",
    "test_integration_runner",
    "test_release_automation",
    "test_release_please",
    "test_release_provenance",
    "test_released_api_contract",
    "test_repository_workflow_interfaces",
    "test_run_serial_tests",
    "test_run_state_compatibility_corpus",
    "test_update_rclone_pin",
)
_PIN = re.compile(
    r'\[\[package\]\]\nname = "([^"]+)"\nversion = "([^"]+)"\nsource = (.*)'
)


_CREWAI = (
    "crewai[a2a]==1.15.30",
    "litellm<1.96 pytest pytest-asyncio pytest-recording pytest-subprocess",
    "pytest-timeout pytest-xdist",
)


@dataclass(frozen=True, slots=True)
class Suite:
    """The tests of one framework, as its source distribution holds them."""

    package: str
    """As it is installed."""
    version: str
    """Whose tests are run."""
    packages: tuple[str, ...]
    """What they import."""
    plugins: tuple[str, ...] = ()
    """Of pytest, in this folder: they are loaded with chaukas and without."""

    @property
    def folder(self) -> str:
        """What the source distribution unpacks to."""
        return f"{self.package.replace('-', '_')}-{self.version}"


SUITES = {
    "openai-agents": Suite("openai-agents", VERSION, _PACKAGES),
    "crewai": Suite("crewai", "1.15.30", _CREWAI, ("crewai_setup",)),
}
"""By the name that is given to this program."""


@dataclass(frozen=True, slots=True)
class Selection:
    """A part of the suite that is run in one go."""

    name: str
    """As in the table."""
    arguments: tuple[str, ...]
    """For pytest."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What the plugin reported of all processes of one run."""

    events: int
    """Events in the files."""
    orphans: tuple[str, ...]
    """Pairs that were still open when chaukas was disabled."""
    errors: Counter[str]
    """Internal errors by place and stack."""
    problem_count: int
    """Breaks of the rules, all of them."""
    problems: tuple[str, ...]
    """The first of them."""


def selections(suite: Suite, workers: int) -> tuple[Selection, ...]:
    """Return the core, run by *workers* processes, and what must run alone."""
    if suite.package == "crewai":
        # Some of them need clients that are not installed: they fail both times.
        whole = ["--timeout=120", "--block-network", "--dist", "loadfile", "tests"]
        whole += ["-n", str(workers), "--continue-on-collection-errors"]
        return (Selection("crewai", tuple(whole)),)
    core = ["-m", "not serial", "-n", str(workers), "--dist", "worksteal"]
    core += ["--ignore=tests/sandbox", "--ignore=tests/extensions/sandbox"]
    core += [f"--ignore=tests/{name}.py" for name in _ABSENT]
    files = ("tests/extensions/memory/test_redis_session.py",)
    serial = ("-m", "serial", *files, "tests/test_trace_processor.py")
    return Selection("core", tuple(core)), Selection("serial", serial)


def pins_of(lock: str) -> str:
    """Return the text of uv.lock as constraints for pip, one version per package."""
    found: dict[str, list[str]] = {}
    for name, version, source in _PIN.findall(lock):
        if "registry" in source:
            found.setdefault(name, []).append(version)
    only = sorted((n, v[0]) for n, v in found.items() if len(v) == 1)
    return "".join(f"{name}=={version}\n" for name, version in only)


def outcomes_of(junit: str) -> dict[str, str]:
    """Return the outcome of each test by its name, from a JUnit report's text."""
    outcomes = {}
    for case in ET.fromstring(junit).iter("testcase"):
        told = [child.tag for child in case]
        outcome = next((t for t in told if t in _NOT_PASSED), "passed")
        outcomes[f"{case.get('classname')}::{case.get('name')}"] = outcome
    return outcomes


_NOT_PASSED = ("failure", "error", "skipped")


def compare(without: dict[str, str], with_it: dict[str, str]) -> list[str]:
    """Return one line for each test that chaukas makes come out differently."""
    return [
        f"{name}: {without.get(name, 'not run')} -> {with_it.get(name, 'not run')}"
        for name in sorted(without.keys() | with_it.keys())
        if without.get(name) != with_it.get(name)
    ]


def prepare(folder: Path, wanted: Suite) -> Path:
    """Fetch the suite and make its environment in *folder*; return its root."""
    suite = folder / wanted.folder
    pins = folder / "pins.txt"
    python = python_of(folder / "venv")
    packages = " ".join(wanted.packages).split()
    done = folder / "ready"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        new_environment(folder / "venv")
        release = f"{wanted.package}=={wanted.version}"
        source = ["--no-deps", "--no-binary", wanted.package, release]
        _call(python, "pip", "download", "-qq", "-d", str(folder), *source)
        with tarfile.open(f"{suite}.tar.gz") as archive:
            archive.extractall(folder, filter="data")
        locked = suite / "uv.lock"
        lock = locked.read_text(encoding="utf-8") if locked.exists() else ""
        pins.write_text(pins_of(lock), encoding="utf-8")
        # Editable: some tests look for frames whose file lies in `src/agents`.
        own = ["-e", str(suite)] if lock else []
        install(python, "-c", str(pins), *own, *packages)
        # Before either run: what chaukas needs must not differ between the two.
        install(python, "-c", str(pins), "-e", str(_ROOT), *packages)
        done.touch()
    # Each time: the folder may have served another checkout before.
    install(python, "-c", str(pins), "-e", str(_ROOT))
    return suite


def _call(python: str, module: str, *arguments: str) -> None:
    subprocess.run([python, "-m", module, *arguments], check=True)


def run(
    folder: Path,
    suite: Path,
    selection: Selection,
    plugins: tuple[str, ...] = (),
    *,
    recorded: bool,
) -> dict[str, str]:
    """Run one selection, with chaukas or without, and return the outcomes."""
    target = _target_of(folder, selection, recorded=recorded)
    target.mkdir(parents=True, exist_ok=True)
    for old in target.iterdir():
        old.unlink()
    env = {k: v for k, v in os.environ.items() if not k.startswith("CHAUKAS_")}
    env["PYTHONPATH"] = str(Path(__file__).resolve().parent)
    if recorded:
        env["CHAUKAS_SUITE_DIR"] = str(target)
        plugins = (*plugins, "chaukas_plugin")
    plugin = [part for name in plugins for part in ("-p", name)]
    python = python_of(folder / "venv")
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += [f"--junitxml={target / 'junit.xml'}", *plugin, *selection.arguments]
    with (target / "log.txt").open("w", encoding="utf-8") as log:
        # Its exit code says that tests failed, which the report says better.
        subprocess.run(command, cwd=suite, env=env, stdout=log, stderr=log, check=False)
    return outcomes_of((target / "junit.xml").read_text(encoding="utf-8"))


def _target_of(folder: Path, selection: Selection, *, recorded: bool) -> Path:
    return folder / f"{selection.name}-{'with' if recorded else 'without'}"


def recording_of(target: Path) -> Recording:
    """Add up the reports that the plugin wrote into *target*."""
    reports: list[dict[str, Any]] = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(target.glob("report-*.json"))
    ]
    errors: Counter[str] = Counter()
    for report in reports:
        errors.update(report.get("internal_errors", {}))
    silent = [] if reports else ["no process of the suite wrote a report"]
    return Recording(
        events=sum(sum(report.get("events", {}).values()) for report in reports),
        orphans=tuple(one for report in reports for one in report.get("orphans", ())),
        errors=errors,
        problem_count=sum((r["problem_count"] for r in reports), len(silent)),
        problems=(*silent, *(one for report in reports for one in report["problems"])),
    )


def main() -> int:
    """Prepare, run, print the table; 0 if chaukas changed and broke nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite", nargs="?", default="openai-agents", choices=SUITES)
    parser.add_argument("--folder", type=Path, help="kept for reuse")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    given = parser.parse_args()
    wanted = SUITES[given.suite]
    own = "chaukas-sdk-suite" if given.suite == "openai-agents" else "chaukas-crewai"
    folder = given.folder or Path(tempfile.gettempdir()) / own
    suite = prepare(folder, wanted)
    is_good = True
    for selection in selections(wanted, given.workers):
        without = run(folder, suite, selection, wanted.plugins, recorded=False)
        with_it = run(folder, suite, selection, wanted.plugins, recorded=True)
        target = _target_of(folder, selection, recorded=True)
        recording = recording_of(target)
        differences = compare(without, with_it)
        _say(_table(selection, without, with_it, recording))
        _say(_details(differences, recording))
        is_good &= not (differences or recording.errors or recording.problem_count)
    return 0 if is_good else 1


def _table(
    selection: Selection,
    without: dict[str, str],
    with_it: dict[str, str],
    recording: Recording,
) -> str:
    lines = [f"{selection.name:<12}{'passed':>8}{'skipped':>9}{'failed':>8}"]
    for title, outcomes in (("without", without), ("with", with_it)):
        count = Counter(outcomes.values())
        failed = count["failure"] + count["error"]
        row = f"{count['passed']:>8}{count['skipped']:>9}{failed:>8}"
        lines.append(f"  {title:<10}{row}")
    lines.append(
        f"  {recording.events} events, {len(recording.orphans)} orphans, "
        f"{recording.problem_count} problems, "
        f"{recording.errors.total()} internal errors"
    )
    return "\n".join(lines)


def _details(differences: list[str], recording: Recording) -> str:
    lines = [f"  different: {line}" for line in differences]
    lines += [f"  problem: {line}" for line in recording.problems]
    lines += [f"  orphan: {line}" for line in recording.orphans]
    lines += [f"  {n}x {stack}" for stack, n in recording.errors.most_common()]
    return "\n".join(lines)


def _say(text: str) -> None:
    if text:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
