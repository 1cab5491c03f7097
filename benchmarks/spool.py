"""
Measure the spool: segment files beside SQLite, recovery, memory with the sink down.

Both stores take the same batches in the same process, so that the ratio holds even
where the figures of this machine do not.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from chaukas.sdk.delivery.factory import pipeline_of
from chaukas.sdk.delivery.plan import Destination, Pace, SpoolPlan
from chaukas.sdk.delivery.spool.folder import Spool
from chaukas.sdk.sinks.collector.responses import Action, Answer
from memory import rss_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chaukas.sdk.pipeline import Pipeline

__all__ = ["main", "memory_down", "recovery_s", "segments_s", "sqlite_s"]

_MIB = 1 << 20
_BATCH = 100
_EVENT_BYTES = 2000


class _Sink:
    name = "http"

    def __init__(self, *, is_down: bool = False) -> None:
        self.count = 0
        self._is_down = is_down

    def send(self, lines: Sequence[bytes]) -> Answer:
        if self._is_down:
            return Answer(Action.RETRY, cause="refused", error="chaukas: it is down.")
        self.count += len(lines)
        return Answer(Action.ACKED)

    def close(self) -> None:
        pass

    def abandon(self) -> None:
        pass


def _event(number: int) -> bytes:
    return b'{"n":%d,"text":"%s"}' % (number, b"x" * (_EVENT_BYTES - 30))


def segments_s(folder: Path, batches: Sequence[Sequence[bytes]]) -> float:
    """Tell how long segment files take for these batches, in seconds."""
    spool = Spool(str(folder), "bench", keys=["http"], limit_bytes=1 << 40)
    spool.send([b"{}\n"])
    begun_s = time.perf_counter()
    for batch in batches:
        spool.send(batch)
    taken_s = time.perf_counter() - begun_s
    spool.abandon()
    return taken_s


def sqlite_s(folder: Path, batches: Sequence[Sequence[bytes]]) -> float:
    """Tell how long SQLite in WAL mode takes, one transaction for each batch."""
    folder.mkdir()
    database = sqlite3.connect(folder / "spool.db", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    database.execute("CREATE TABLE event (n INTEGER PRIMARY KEY, line BLOB)")
    begun_s = time.perf_counter()
    for batch in batches:
        database.execute("BEGIN")
        database.executemany(
            "INSERT INTO event (line) VALUES (?)", [(line,) for line in batch]
        )
        database.execute("COMMIT")
    taken_s = time.perf_counter() - begun_s
    database.close()
    return taken_s


def _pipeline(folder: Path, sink: _Sink, stream: str) -> Pipeline:
    pace = Pace(flush_interval_s=0.05)
    plan = SpoolPlan((Destination("http", sink),), str(folder), pace=pace)
    return pipeline_of(plan, stream=stream, memory_limit_bytes=32 * _MIB)


def leave(folder: Path, count: int) -> None:
    """Spool events of a process that then dies."""
    pipe = _pipeline(folder, _Sink(is_down=True), "dead")
    for number in range(count):
        pipe.put(_event(number))
        if number % 5000 == 4999:
            while pipe.stats().queued:
                time.sleep(0.001)
    while pipe.stats().queued:
        time.sleep(0.001)
    os._exit(0)


def recovery_s(folder: Path, count: int) -> tuple[float, int]:
    """Tell how long the next process takes to deliver them, and how many it did."""
    # Ourselves, with arguments of our own.
    subprocess.run(  # noqa: S603
        [sys.executable, __file__, "--leave", str(folder), str(count)], check=True
    )
    sink = _Sink()
    begun_s = time.perf_counter()
    pipe = _pipeline(folder, sink, "heir")
    pipe.put(b"{}")
    while (folder / "dead").exists():
        time.sleep(0.002)
    taken_s = time.perf_counter() - begun_s
    pipe.close(5.0)
    return taken_s, sink.count - 1


def memory_down(folder: Path, *, rate: int, seconds: float) -> dict[str, float]:
    """Emit at a rate while the sink is down; tell the memory above base, in bytes."""
    pipe = _pipeline(folder, _Sink(is_down=True), "down")
    pipe.put(_event(0))
    pipe.flush(0.5)
    base = rss_bytes()
    peak, number = base, 0
    begun_s = time.perf_counter()
    while (now_s := time.perf_counter() - begun_s) < seconds:
        while number < now_s * rate:
            pipe.put(_event(number))
            number += 1
        peak = max(peak, rss_bytes())
        time.sleep(0.002)
    stats = pipe.stats()
    pipe.close(0.1)
    return {
        "above_base": peak - base,
        "emitted": stats.emitted,
        "spooled": stats.spooled,
        "dropped": stats.lost,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print all three."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=int, default=5000, help="events per second")
    parser.add_argument("--seconds", type=float, default=70.0)
    parser.add_argument("--leave", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--down", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.leave:
        leave(Path(options.leave[0]), int(options.leave[1]))
    if options.down:
        figures = memory_down(
            Path(options.down), rate=options.rate, seconds=options.seconds
        )
        print(json.dumps(figures))
        return 0
    with tempfile.TemporaryDirectory() as name:
        return _measure(Path(name), options)


def _measure(folder: Path, options: argparse.Namespace) -> int:
    lines = [_event(n) + b"\n" for n in range(_BATCH)]
    batches = [lines] * (options.events // _BATCH)
    count = len(batches) * _BATCH
    stores: dict[str, Callable[[Path, Sequence[Sequence[bytes]]], float]] = {
        "segments": segments_s,
        "sqlite": sqlite_s,
    }
    taken_s: dict[str, list[float]] = {store: [] for store in stores}
    for number in range(options.rounds):
        for store, measure in stores.items():
            taken_s[store].append(measure(folder / f"{store}{number}", batches))
    rates = {
        store: count / statistics.median(all_s) for store, all_s in taken_s.items()
    }
    print(
        f"segments {rates['segments']:,.0f} events/s, SQLite WAL"
        f" {rates['sqlite']:,.0f} events/s of {_EVENT_BYTES} bytes in batches of"
        f" {_BATCH}: {rates['segments'] / rates['sqlite']:.1f} times"
    )
    recovered_s, delivered = recovery_s(folder / "recovery", count)
    print(f"{delivered:,} of {count:,} spooled events recovered in {recovered_s:.2f} s")
    # Ourselves, with arguments of our own.
    done = subprocess.run(  # noqa: S603
        [
            sys.executable,
            __file__,
            *("--down", str(folder / "down")),
            *("--rate", str(options.rate), "--seconds", str(options.seconds)),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    down = json.loads(done.stdout)
    print(
        f"sink down, {options.rate:,} events/s for {options.seconds:.0f} s:"
        f" {down['above_base'] / _MIB:.1f} MiB above base;"
        f" {down['spooled']:,} of {down['emitted']:,} spooled,"
        f" {down['dropped']:,} dropped"
    )
    return 0 if delivered == count else 1


if __name__ == "__main__":
    sys.exit(main())
