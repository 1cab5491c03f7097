"""Many writers: processes on one file, forks and threads."""

from __future__ import annotations

import collections
import gzip
import json
from typing import TYPE_CHECKING

import pytest

from chaukas.sdk import integrity
from tests.support.emitters import start

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fault


def counts_of(lines: list[bytes]) -> dict[str, int]:
    """Return how often each event is there; every line that is not empty counts."""
    ids = [json.loads(line)["event_id"] for line in lines if line]
    return collections.Counter(ids)


def expected(writers: int, count: int) -> dict[str, int]:
    return {f"w{w}-{n + 1}": 1 for w in range(writers) for n in range(count)}


def test_four_processes_on_one_file_do_not_mix_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    processes = [start("many", path, f"w{w}", 2000) for w in range(4)]
    for process in processes:
        process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0] * 4
    lines = path.read_bytes().split(b"\n")
    assert counts_of(lines) == expected(4, 2000)
    report = integrity.verify(lines)
    assert (report.ok, report.streams) == (True, 4)


def test_processes_that_rotate_one_file_lose_nothing_and_leave_nothing(
    tmp_path: Path,
) -> None:
    path = tmp_path / "events.jsonl"
    processes = [start("rotating", path, f"w{w}", 2000) for w in range(4)]
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, errors
    # Whoever comes second to a file has nothing to tell of.
    assert errors == [b""] * 4
    files = [p for p in tmp_path.iterdir() if p.suffix != ".lock"]
    assert {p.suffix for p in files} == {".jsonl", ".gz"}
    assert len(files) > 20
    packed = [gzip.decompress(p.read_bytes()) for p in files if p.suffix == ".gz"]
    assert packed
    plain = [p.read_bytes() for p in files if p.suffix != ".gz"]
    lines = [line for text in [*packed, *plain] for line in text.split(b"\n")]
    assert counts_of(lines) == expected(4, 2000)


def test_forks_while_the_writer_is_busy_harm_neither_side(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    process = start("forking", path, 100)
    out, error = process.communicate(timeout=120)
    status, is_stored, emitted = json.loads(out)
    assert (process.returncode, status, is_stored) == (0, 0, True), error
    counts = counts_of(path.read_bytes().split(b"\n"))
    assert set(counts.values()) == {1}
    by_writer = collections.Counter(name.split("-")[0] for name in counts)
    assert by_writer.pop("parent") == emitted
    assert by_writer == {f"child{n}": 3 for n in range(100)}


def test_sixty_four_threads_lose_nothing_and_keep_their_order(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    process = start("crowded", path, 64, 200)
    out, error = process.communicate(timeout=60)
    is_stored, emitted, written, lost = json.loads(out)
    assert (is_stored, emitted, written, lost) == (True, 12_800, 12_800, 0), error
    last: dict[str, int] = collections.defaultdict(int)
    for line in path.read_bytes().split(b"\n")[:-1]:
        thread, _, seq = json.loads(line)["event_id"].partition("-")
        assert int(seq) > last[thread]
        last[thread] = int(seq)
    assert len(last) == 64
