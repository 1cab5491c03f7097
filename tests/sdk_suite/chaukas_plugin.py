"""
Run someone else's pytest suite with chaukas enabled, and check what was recorded.

    PYTHONPATH=tests/sdk_suite pytest -p chaukas_plugin ...

Enabling at import, before anything of the suite is loaded, is what an application does
at its start. Each pytest process (each worker of xdist) writes its events and one
report into the folder that CHAUKAS_SUITE_DIR names.
"""

from __future__ import annotations

import json
import os
import traceback
from bisect import bisect_right
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from balance import faults_of, orphans_of

from chaukas import sdk as chaukas
from chaukas.sdk import _runtime, integrity, wire
from chaukas.sdk.system import internal_errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["pytest_runtest_logstart", "pytest_sessionfinish"]

_LISTED = 200
_CLOSE_S = 60.0
_PROCESS = os.environ.get("PYTEST_XDIST_WORKER", "main")
_FOLDER = Path(os.environ["CHAUKAS_SUITE_DIR"])
_FILE = _FOLDER / f"events-{_PROCESS}.jsonl"

_errors: Counter[str] = Counter()
_begun: list[tuple[str, str]] = [("", "before the first test")]


def _watch_internal_errors() -> None:
    # The log tells of one cause once a minute; here every single one counts.
    tell = internal_errors.Reporter._tell

    def counted(self: internal_errors.Reporter, where: str, error: Exception) -> None:
        stack = "".join(traceback.format_exception(error))
        _errors[f"{where}, first seen in {_begun[-1][1]}\n{stack}"] += 1
        tell(self, where, error)

    internal_errors.Reporter._tell = counted  # type: ignore[method-assign]


def pytest_runtest_logstart(nodeid: str) -> None:
    """Note when each test begins, to say later in which one something happened."""
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    _begun.append((now, nodeid))


def pytest_sessionfinish() -> None:
    """Disable chaukas and write the report of this process."""
    runtime = _runtime.active()
    if runtime is None:
        problem = "chaukas was not enabled at the end of the suite"
        _write({"problem_count": 1, "problems": [problem]})
        return
    hook_points = {one.name: dict(one.state()["hooks"]) for one in runtime.integrations}
    stored = chaukas.disable_chaukas(_CLOSE_S)
    stats = runtime.pipeline.stats()
    lines = _FILE.read_bytes().splitlines(keepends=True)
    events = [orjson.loads(line) for line in lines]
    problems = [] if stored else ["not all events were stored"]
    problems.extend(_conservation(stats, events, runtime.pipeline.stream))
    problems.extend(f"{_test_of(text)}: {text}" for text in faults_of(events))
    problems.extend(_unreadable(events))
    chain = integrity.verify(lines)
    if not chain.ok:
        problems.append(f"the hash chain is broken: {chain.problem}")
    orphans = [_orphan(event) for event in orphans_of(events)]
    _write(
        {
            "events": dict(Counter(event["type"] for event in events)),
            "hook_points": hook_points,
            "internal_errors": dict(_errors),
            "orphans": orphans,
            "problem_count": len(problems),
            "problems": problems[:_LISTED],
        }
    )


def _conservation(
    stats: chaukas.Stats, events: Sequence[Mapping[str, Any]], stream: str
) -> list[str]:
    problems = []
    settled = stats.written + stats.queued + sum(stats.dropped.values())
    if stats.emitted != settled:
        problems.append(f"emitted {stats.emitted}, accounted for {settled}")
    if stats.queued or stats.dropped:
        problems.append(f"queued {stats.queued}, dropped {dict(stats.dropped)}")
    own = sum(event["metadata"]["chaukas"]["stream"] == stream for event in events)
    if own != stats.written:
        problems.append(f"written {stats.written}, in the file {own}")
    return problems


def _unreadable(events: Sequence[Mapping[str, Any]]) -> list[str]:
    problems = []
    for event in events:
        try:
            wire.to_message(event).SerializeToString()
        except ValueError as error:
            problems.append(f"{_test_of(event['timestamp'])}: no message: {error}")
    return problems


def _orphan(event: Mapping[str, Any]) -> str:
    begun_in = _test_of(event["timestamp"])
    return f"{event['type']} span {event['span_id']} begun in {begun_in}"


def _test_of(text: str) -> str:
    """Return the test that ran at the first time that *text* names."""
    found = next((w for w in text.split() if w.endswith("Z") and w[:2] == "20"), text)
    return _begun[bisect_right(_begun, (found, "\uffff")) - 1][1]


def _write(report: dict[str, Any]) -> None:
    target = _FOLDER / f"report-{_PROCESS}.json"
    target.write_text(json.dumps(report, indent=1), encoding="utf-8")


_watch_internal_errors()
chaukas.enable_chaukas(output_file=_FILE)
