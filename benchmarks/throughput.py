"""
Measure how many events a second reach the file.

The clock stops when `flush` returns, so that a fast queue in front of a slow
file does not count as fast; a figure holds only if no event is missing.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from subject import FLUSH_TIMEOUT_S, PublicFunctions, public_functions, recording

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("Burst", "burst", "main")

_NAME = "benchmark"
# Prose, because a long run of letters could pass for encoded binary data.
_LINE = "The parcel left the depot on Monday and is due on Thursday."


@dataclass(frozen=True, slots=True)
class Burst:
    """
    One burst of events.

    Args:
        sent: Events emitted.
        written: Events found in the file.
        emit_s: Seconds that the caller was busy emitting.
        total_s: Seconds until all of them were in the file.
        file_bytes: Size of the file.
    """

    sent: int
    written: int
    emit_s: float
    total_s: float
    file_bytes: int


def burst(
    chaukas: PublicFunctions, file: Path, *, count: int, payload_bytes: int
) -> Burst:
    """
    Emit events as fast as one thread can, and wait until the file has them.

    Args:
        chaukas: What to measure.
        file: A new file.
        count: How many events.
        payload_bytes: Size of the data of each.
    """
    prose = [_LINE] * max(1, payload_bytes // len(_LINE))
    with recording(chaukas, file):
        start_s = time.perf_counter()
        for number in range(count):
            chaukas.event(_NAME, {"number": number, "lines": prose})
        emit_s = time.perf_counter() - start_s
        chaukas.flush(FLUSH_TIMEOUT_S)
        total_s = time.perf_counter() - start_s
    marker = f'"name":"{_NAME}"'.encode()
    with file.open("rb") as lines:
        written = sum(marker in line for line in lines)
    return Burst(count, written, emit_s, total_s, file.stat().st_size)


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Measure a few bursts and print the median.

    Returns:
        1 when an event did not reach the file, else 0.
    """
    parser = argparse.ArgumentParser(description="events per second into the file")
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--bytes", type=int, default=1500, help="data per event")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    chaukas = public_functions()
    with tempfile.TemporaryDirectory() as folder:
        bursts = [
            burst(
                chaukas,
                Path(folder) / f"{number}.jsonl",
                count=options.events,
                payload_bytes=options.bytes,
            )
            for number in range(options.rounds)
        ]
    rate = statistics.median(one.written / one.total_s for one in bursts)
    emit_us = statistics.median(one.emit_s / one.sent * 1e6 for one in bursts)
    size = statistics.median(one.file_bytes / max(1, one.written) for one in bursts)
    missing = sum(one.sent - one.written for one in bursts)
    print(
        f"{rate:,.0f} events/s of {size:,.0f} bytes into the file, "
        f"{emit_us:.1f} µs per event for the caller, {missing:,} missing"
    )
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
