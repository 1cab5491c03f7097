"""
Measure the CPU time that chaukas adds to a run.

Rounds with and without chaukas alternate in one process, in turned order, so
that a machine that heats up, throttles or is shared slows both alike; what is
reported is the median of the differences within the pairs.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import sys
import tempfile
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scenarios import SCENARIOS, Run, Scenario, export_no_traces
from subject import (
    FLUSH_TIMEOUT_S,
    PublicFunctions,
    events_in,
    public_functions,
    recording,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("Cost", "Sample", "cost_of", "main", "measure")

_NS_PER_US = 1000
_WARM_UP_ROUNDS = 2


@dataclass(frozen=True, slots=True)
class Sample:
    """
    CPU time of one batch, divided by its runs.

    Args:
        process_us: All threads of the process, the writer until it is done included.
        host_us: The thread that runs the agents, in which the user waits.
        events: Events that one run left in the file.
    """

    process_us: float
    host_us: float
    events: float


@dataclass(frozen=True, slots=True)
class Cost:
    """
    What a scenario costs, in microseconds of CPU time per run.

    Args:
        scenario: Its name.
        rounds: Pairs of batches behind the medians.
        bare_us: A run without chaukas, all threads.
        added_us: What chaukas adds, all threads; None when not measured.
        added_host_us: What it adds on the thread of the run.
        spread_us: Median absolute deviation of `added_us`, the noise.
        events_per_run: Events recorded.
        us_per_event: `added_us` by events.
        ratio: Run with chaukas by run without.
    """

    scenario: str
    rounds: int
    bare_us: float
    added_us: float | None = None
    added_host_us: float | None = None
    spread_us: float | None = None
    events_per_run: float | None = None
    us_per_event: float | None = None
    ratio: float | None = None


def cost_of(scenario: str, bare: Sequence[Sample], recorded: Sequence[Sample]) -> Cost:
    """Settle the figures from the samples, pair by pair."""
    bare_us = statistics.median(sample.process_us for sample in bare)
    if not recorded:
        return Cost(scenario, len(bare), bare_us)
    pairs = list(zip(bare, recorded, strict=True))
    added = [with_it.process_us - without.process_us for without, with_it in pairs]
    added_us = statistics.median(added)
    events = statistics.median(sample.events for sample in recorded)
    return Cost(
        scenario,
        len(pairs),
        bare_us,
        added_us=added_us,
        added_host_us=statistics.median(
            with_it.host_us - without.host_us for without, with_it in pairs
        ),
        spread_us=statistics.median(abs(value - added_us) for value in added),
        events_per_run=events,
        us_per_event=added_us / events if events else None,
        ratio=(bare_us + added_us) / bare_us,
    )


def measure(scenario: Scenario, chaukas: PublicFunctions | None, rounds: int) -> Cost:
    """
    Run a scenario often enough to know its cost.

    Args:
        scenario: What to run.
        chaukas: What to measure, or None for the bare run alone.
        rounds: Pairs of batches, after two that only warm up.
    """
    bare: list[Sample] = []
    recorded: list[Sample] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds + _WARM_UP_ROUNDS):
            file = Path(folder) / f"{number}.jsonl"
            # Turned in every round, so that neither side is always the second.
            if number % 2 and chaukas is not None:
                recorded.append(_sample(scenario, chaukas, file))
                bare.append(_sample(scenario, None, file))
            else:
                bare.append(_sample(scenario, None, file))
                if chaukas is not None:
                    recorded.append(_sample(scenario, chaukas, file))
    return cost_of(scenario.name, bare[_WARM_UP_ROUNDS:], recorded[_WARM_UP_ROUNDS:])


def _sample(scenario: Scenario, chaukas: PublicFunctions | None, file: Path) -> Sample:
    """Time one batch; enabling and disabling are outside of the measured part."""
    batch = [scenario.prepare() for _ in range(scenario.batch)]
    with recording(chaukas, file) if chaukas else nullcontext():
        process_ns, host_ns = asyncio.run(_timed(batch, chaukas))
    runs = scenario.batch * scenario.runs
    return Sample(
        process_us=process_ns / _NS_PER_US / runs,
        host_us=host_ns / _NS_PER_US / runs,
        events=events_in(file) / runs if chaukas else 0.0,
    )


async def _timed(
    batch: Sequence[Run], chaukas: PublicFunctions | None
) -> tuple[int, int]:
    gc.collect()
    process_ns, host_ns = time.process_time_ns(), time.thread_time_ns()
    for run in batch:
        await run()
    host_ns = time.thread_time_ns() - host_ns
    if chaukas is not None:
        # The writer's work belongs to the run that caused it.
        chaukas.flush(FLUSH_TIMEOUT_S)
    return time.process_time_ns() - process_ns, host_ns


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="CPU time that chaukas adds to a run")
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("--without", action="store_true", help="bare runs only")
    parser.add_argument("--rounds", type=int, default=30, help="pairs per scenario")
    parser.add_argument("--scenario", action="append", choices=names, help="only this")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    return parser.parse_args(arguments)


def _row(cost: Cost, title: str) -> str:
    figures = (
        f"{cost.bare_us:>9.0f}",
        _figure(cost.added_us, ".0f"),
        _figure(cost.spread_us, ".0f"),
        _figure(cost.added_host_us, ".0f"),
        _figure(cost.events_per_run, ".1f"),
        _figure(cost.us_per_event, ".1f"),
        _figure(cost.ratio, ".3f"),
    )
    return f"{title:<38}" + " ".join(figures)


def _figure(value: float | None, form: str) -> str:
    return f"{'-' if value is None else format(value, form):>9}"


def _heading() -> str:
    names = ("bare µs", "added µs", "± µs", "on host", "events", "µs/event", "ratio")
    return f"{'per run':<38}" + " ".join(f"{name:>9}" for name in names)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the chosen scenarios and print a table, or JSON lines."""
    options = _parsed(arguments)
    chaukas = None if options.without else public_functions()
    export_no_traces()
    if not options.json:
        print(_heading())
    costs: dict[str, Cost] = {}
    for scenario in SCENARIOS:
        if options.scenario and scenario.name not in options.scenario:
            continue
        cost = measure(scenario, chaukas, options.rounds)
        costs[scenario.name] = cost
        text = _row(cost, scenario.title)
        print(json.dumps(asdict(cost)) if options.json else text, flush=True)
    if not options.json:
        _print_stream_ratio(costs)
    return 0


def _print_stream_ratio(costs: dict[str, Cost]) -> None:
    whole, stream = costs.get("unstreamed"), costs.get("streamed")
    if whole is None or stream is None or not whole.added_us or not stream.added_us:
        return
    ratio = stream.added_us / whole.added_us
    print(f"\nadded by chaukas, streamed by unstreamed: {ratio:.2f}")


if __name__ == "__main__":
    sys.exit(main())
