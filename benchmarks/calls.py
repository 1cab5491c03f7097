"""
Count the calls that recording adds to a run's own thread: no machine changes them.

Python functions of chaukas, and functions of C that these call, for each event; and for
a whole run that is left out by `sample_rate`.

    python benchmarks/calls.py
    python benchmarks/calls.py --scenario tools --top 40
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counting import Calls, counted
from scenarios import SCENARIOS, export_no_traces
from subject import FLUSH_TIMEOUT_S, events_in

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("main",)


def _counted(scenario: Any, sample_rate: float) -> tuple[Calls, int]:
    """Return what one run calls, and how many events it leaves."""
    import chaukas.sdk

    prepared = [scenario.prepare() for _ in range(3)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "events.jsonl"
        chaukas.sdk.enable_chaukas(output_file=str(file), sample_rate=sample_rate)

        async def both() -> Calls:
            # What is done once for a process is done.
            for run in prepared[1:]:
                await run()
            chaukas.sdk.flush(FLUSH_TIMEOUT_S)
            with counted() as calls:
                await prepared[0]()
            return calls

        calls = asyncio.run(both())
        chaukas.sdk.disable_chaukas()
        return calls, events_in(file) // len(prepared)


def main(arguments: Sequence[str]) -> int:
    """Print a line for each scenario."""
    names = [scenario.name for scenario in SCENARIOS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", choices=names, action="append")
    parser.add_argument("--top", type=int, default=0, help="functions to list")
    given = parser.parse_args(arguments)
    export_no_traces()
    print(f"{'run':<12} {'events':>6} {'python':>8} {'C':>6} {'left out':>9}")
    for scenario in SCENARIOS:
        if scenario.name not in (given.scenario or names):
            continue
        calls, events = _counted(scenario, 1.0)
        left_out, _ = _counted(scenario, 0.0)
        python, c_calls = calls.python.total() / events, calls.c_count / events
        print(
            f"{scenario.name:<12} {events:>6} {python:>8.1f} {c_calls:>6.1f}"
            f" {left_out.python.total():>9}"
        )
        for name, count in calls.python.most_common(given.top):
            print(f"{count:>6} {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
