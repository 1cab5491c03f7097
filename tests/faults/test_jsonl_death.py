"""Death of the process, at any moment and in any way."""

from __future__ import annotations

import json
import os
import random
import signal
import struct
import time
from statistics import median
from typing import TYPE_CHECKING

import pytest

from tests.support.emitters import SLOTS, ages_s, start

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fault

SEED = int(os.environ.get("CHAUKAS_TEST_SEED", "20260101"))
BOUND_S = 0.05


def whole_lines(path: Path) -> list[bytes]:
    """Return the lines that end; what follows the last of them is torn."""
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def missing_age_s(path: Path, times: Path, killed_at_s: float) -> float:
    """Return how long before the kill the oldest missing event was captured."""
    found = {json.loads(line)["n"] for line in whole_lines(path)}
    slots = struct.unpack(f"{SLOTS}d", times.read_bytes())
    taken = {n: at_s for n, at_s in enumerate(slots) if at_s}
    ages = zip(taken, ages_s([*taken.values()], killed_at_s), strict=True)
    return max((age_s for n, age_s in ages if n not in found), default=0.0)


def kill_once(tmp_path: Path, number: int) -> tuple[float, int]:
    rng = random.Random(SEED + number)
    path, times = tmp_path / f"{number}.jsonl", tmp_path / f"{number}.times"
    times.write_bytes(bytes(SLOTS * 8))
    process = start("clocked", path, times, SEED + number)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    time.sleep(rng.random() * 0.2)
    killed_at_s = time.monotonic()
    process.kill()
    process.communicate()
    return missing_age_s(path, times, killed_at_s), len(whole_lines(path))


def test_kill_9_costs_at_most_the_last_50_ms(tmp_path: Path) -> None:
    results = [kill_once(tmp_path, number) for number in range(30)]
    lost_s = [age_s for age_s, _ in results]
    assert sum(count for _, count in results) > 100
    # The median: a busy machine lets a writer wait for its turn now and then. That the
    # writer itself waits for 20 ms at most is asserted in tests/unit/test_pipeline.py.
    assert median(lost_s) <= BOUND_S, (SEED, lost_s)


@pytest.mark.parametrize(
    ("way", "status"),
    [("exit", 7), ("abort", -signal.SIGABRT), ("segfault", -signal.SIGSEGV)],
)
def test_what_was_flushed_survives_any_end(
    tmp_path: Path, way: str, status: int
) -> None:
    path = tmp_path / "events.jsonl"
    process = start("leaving", path, way)
    process.communicate()
    assert process.returncode == status
    assert len([json.loads(line) for line in whole_lines(path)]) == 100


def test_a_process_that_never_closes_ends_normally(tmp_path: Path) -> None:
    process = start("quiet_exit", tmp_path / "events.jsonl")
    out, error = process.communicate(timeout=120)
    assert process.returncode == 0
    assert (out, error) == (b"", b"")


def test_a_file_left_by_a_killed_process_is_continued(tmp_path: Path) -> None:
    path, times = tmp_path / "events.jsonl", tmp_path / "times"
    times.write_bytes(bytes(SLOTS * 8))
    for seed in range(3):
        process = start("clocked", path, times, seed)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        deadline_s = time.monotonic() + 100
        size = path.stat().st_size if path.exists() else 0
        while not path.exists() or path.stat().st_size < size + 100_000:
            assert time.monotonic() < deadline_s
            time.sleep(0.001)
        process.kill()
        process.communicate()
        with path.open("ab") as file:
            file.write(b'{"n":')
    process = start("many", path, "last", 200)
    process.communicate()
    lines = path.read_bytes().split(b"\n")
    assert lines.count(b'{"n":') == 3
    whole = [line for line in lines if line not in {b"", b'{"n":'}]
    last = [line for line in map(json.loads, whole) if "event_id" in line]
    assert len(last) == 200
