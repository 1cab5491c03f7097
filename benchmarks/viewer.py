"""
Measure the reading of records: indexing, `chaukas summary`, and each query.

    python benchmarks/viewer.py [--full] [--json]

Without --full a tenth of everything: 100 MB, 10,000 runs, 1,000 events in one run.
Commands are timed as a user meets them, with the start of Python; queries in a
process that has the store open. The page is measured by `benchmarks/viewer_page.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chaukas.query import open_source
from viewer_records import write_long_run, write_runs

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaukas.query import Query

__all__ = ["command_s", "main", "queries_ms"]

_REPEATS = 5
_MB = 1_000_000
_BUDGETS = {
    "index of 1 GB, s": 90.0,
    "summary of 100 MB, s": 3.0,
    "summary of 100 MB again, s": 0.5,
    "runs, first page, ms": 300.0,
    "search, ms": 1000.0,
    "tree of 10,000 events, ms": 500.0,
}


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="1 GB, as in the budgets")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    scale = 1.0 if given.full else 0.1
    with tempfile.TemporaryDirectory() as name:
        found = _measured(Path(name), scale)
    if given.json:
        print(json.dumps(found, indent=1))
        return
    for what, figure in found.items():
        budget = _BUDGETS.get(what)
        print(f"{what:<44} {figure:>12,.3f}" + (f"   <= {budget:g}" if budget else ""))


def _measured(folder: Path, scale: float) -> dict[str, float]:
    found: dict[str, float] = {}
    small = folder / "100mb.jsonl"
    events = write_runs(small, 10**9, limit_bytes=100 * _MB)
    found["events in 100 MB"] = events
    found["summary of 100 MB, s"] = command_s(folder, "summary", small)
    again = [command_s(folder, "summary", small) for _ in range(_REPEATS)]
    found["summary of 100 MB again, s"] = statistics.median(again)
    found["chaukas --version, s"] = statistics.median(
        command_s(folder, "--version") for _ in range(_REPEATS)
    )
    long = folder / "long.jsonl"
    write_long_run(long, round(10_000 * scale))
    size = round(1000 * scale)
    large = folder / "large.jsonl"
    found[f"events in {size:,} MB"] = write_runs(large, 10**9, limit_bytes=size * _MB)
    begun = time.perf_counter()
    with closing(open_source(large, folder)) as source:
        source.read()
        name = "index of 1 GB, s" if scale == 1 else f"index of {size} MB, s"
        found[name] = time.perf_counter() - begun
        found["size of the index, MB"] = source.index_path.stat().st_size / _MB
        with closing(source.query()) as query:
            found["runs"] = query.runs(limit=1).matched or 0
            found.update(queries_ms(query))
    with closing(open_source(long, folder)) as source:
        source.read()
        with closing(source.query()) as query:
            trace = query.find_run("last")
            name = f"tree of {round(10_000 * scale):,} events, ms"
            found[name] = _median_ms(lambda: query.tree(trace))
    return found


def command_s(folder: Path, *arguments: object) -> float:
    """Return how long a command takes, in seconds, start of Python included."""
    command = [sys.executable, "-m", "chaukas.cli", *map(str, arguments)]
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder)}
    begun = time.perf_counter()
    # Our own command, with arguments of this module.
    subprocess.run(command, check=True, capture_output=True, env=environment)  # noqa: S603
    return time.perf_counter() - begun


def queries_ms(query: Query) -> dict[str, float]:
    """Return how long each query takes, in milliseconds, as median of five."""
    trace = query.find_run("last")
    event_id = query.tree(trace).spans[0].event_ids[0]
    word = query.event(event_id).row.agent
    asked: dict[str, Callable[[], Any]] = {
        "runs, first page, ms": query.runs,
        "runs, by cost, ms": lambda: query.runs(sort="-cost"),
        "runs, status:failed, ms": lambda: query.runs("status:failed"),
        "runs, agent and cost, ms": lambda: query.runs("agent:billing cost>0.005"),
        "runs, words, ms": lambda: query.runs("ab*"),
        "sessions, first page, ms": query.sessions,
        "tree of a run, ms": lambda: query.tree(trace),
        "event, ms": lambda: query.event(event_id),
        "events, latest, ms": lambda: query.events(order="-time"),
        "search, ms": lambda: query.search("abc*"),
        "search, frequent word, ms": lambda: query.search(word.split()[0]),
        "numbers by day and model, ms": lambda: query.numbers(("day", "model")),
        "numbers by time, ms": lambda: query.numbers(("time",)),
        "numbers by tool, filtered, ms": lambda: query.numbers(
            ("tool",), "status:failed"
        ),
        "trouble, ms": query.trouble,
        "summary, ms": query.summary,
    }
    return {what: _median_ms(question) for what, question in asked.items()}


def _median_ms(question: Callable[[], object]) -> float:
    times = []
    for _ in range(_REPEATS):
        begun = time.perf_counter()
        question()
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times)


if __name__ == "__main__":
    main()
