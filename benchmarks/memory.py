"""
Measure whether memory grows with the number of runs.

Each measurement is a fresh interpreter, because what one run of the benchmark
left in the allocator would otherwise be charged to the next.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import tracemalloc
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from scenarios import SCENARIOS, Run, Scenario, export_no_traces
from subject import FLUSH_TIMEOUT_S, PublicFunctions, public_functions, recording

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("growth_of", "main", "rss_bytes")

_MIB = 1 << 20
_SAMPLES = 10


def rss_bytes() -> int:
    """
    Tell the resident memory of this process, in bytes.

    Where the system has no `/proc`, its peak instead, which shows growth as well.
    """
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def growth_of(samples: Sequence[int], runs: int) -> float:
    """
    Tell by how many bytes per run memory grew, once warm.

    Args:
        samples: Memory in bytes at equal distances, the first before any run.
        runs: Runs between the first and the last sample.

    The first two samples are left out: caches fill and modules load there.
    """
    warm = samples[2:]
    return (warm[-1] - warm[0]) / (runs * (len(warm) - 1) / (len(samples) - 1))


def _sampled(
    scenario: Scenario, chaukas: PublicFunctions | None, runs: int
) -> list[int]:
    traced = tracemalloc.is_tracing()
    samples: list[int] = []
    with closing(asyncio.new_event_loop()) as loop:
        for number in range(_SAMPLES + 1):
            for _ in range(runs // _SAMPLES if number else 0):
                loop.run_until_complete(_started(scenario.prepare()))
            if chaukas is not None:
                chaukas.flush(FLUSH_TIMEOUT_S)
            gc.collect()
            current, _ = tracemalloc.get_traced_memory()
            samples.append(current if traced else rss_bytes())
    return samples


async def _started(run: Run) -> None:
    await run()


def _child(options: argparse.Namespace) -> None:
    """Measure in this process and print the samples."""
    chaukas = None if options.without else public_functions()
    scenario = next(one for one in SCENARIOS if one.name == options.scenario)
    export_no_traces()
    if options.trace:
        tracemalloc.start()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "events.jsonl"
        with recording(chaukas, file) if chaukas else nullcontext():
            samples = _sampled(scenario, chaukas, options.runs)
    print(json.dumps(samples))


def _measured(options: argparse.Namespace, *, without: bool, trace: bool) -> list[int]:
    command = [sys.executable, __file__, "--child", "--runs", str(options.runs)]
    command += ["--scenario", options.scenario]
    command += ["--without"] * without + ["--trace"] * trace
    # Our own file and our own arguments, no shell.
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)  # noqa: S603
    samples: list[int] = json.loads(done.stdout)
    return samples


def _report(options: argparse.Namespace, *, without: bool) -> None:
    title = "without chaukas" if without else "with chaukas"
    for trace, name in ((False, "resident"), (True, "tracemalloc")):
        samples = _measured(options, without=without, trace=trace)
        curve = " ".join(f"{sample / _MIB:.1f}" for sample in samples)
        growth = growth_of(samples, options.runs)
        print(f"{title}, {name} MiB: {curve}  ({growth:+.0f} bytes per run once warm)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure memory over many runs, with and without chaukas, and print it."""
    parser = argparse.ArgumentParser(description="memory over many runs")
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("--without", action="store_true", help="bare runs only")
    parser.add_argument("--runs", type=int, default=5000)
    parser.add_argument("--scenario", choices=names, default="tools")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--trace", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        _child(options)
        return 0
    _report(options, without=True)
    if not options.without:
        _report(options, without=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
