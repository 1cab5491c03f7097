"""Disks that are full, broken, forbidden or hung, under a whole pipeline."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import threading
from typing import TYPE_CHECKING

import pytest

from chaukas.sdk.delivery.factory import pipeline_of
from chaukas.sdk.sinks.jsonl import JsonlSink
from tests.support.disks import mounted_disk
from tests.support.emitters import start
from tests.support.faulty_io import FaultyDisk
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.fault


def events_in(path: Path) -> list[int]:
    found = []
    for line in path.read_bytes().split(b"\n"):
        with contextlib.suppress(ValueError):
            found.append(json.loads(line)["n"])
    return found


def event(number: int, size: int = 500) -> bytes:
    return b'{"n":%d,"x":"%s"}' % (number, b"y" * size)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted_disk(tmp_path / "small", "64k") as place:
        yield place


def test_a_disk_that_fills_up_and_is_freed_costs_nothing(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(40_000))
    path = small_disk / "events.jsonl"
    pipe = pipeline_of(JsonlSink(path), stream="s", memory_limit_bytes=1 << 20)
    for n in range(60):
        pipe.put(event(n))
    until(lambda: "ENOSPC" in pipe.stats().last_error)
    stats = pipe.stats()
    assert stats.written < 60
    assert stats.written + stats.queued == 60
    ballast.unlink()
    assert pipe.flush(60.0)
    assert events_in(path) == list(range(60))
    assert pipe.close(60.0)


def test_a_disk_that_stays_full_costs_no_more_than_the_bound(small_disk: Path) -> None:
    path = small_disk / "events.jsonl"
    pipe = pipeline_of(JsonlSink(path), stream="s", memory_limit_bytes=200_000)
    for n in range(2000):
        pipe.put(event(n))
        if n == 50:
            pipe.flush(0.2)
    stats = pipe.stats()
    assert stats.queued_bytes <= 200_000
    assert stats.dropped["memory_full"] > 0
    assert not pipe.close(0.2)
    stats = pipe.stats()
    assert stats.emitted == stats.written + stats.lost == 2000
    found = events_in(path)
    assert found == list(range(stats.written))


def test_a_line_cut_by_a_size_limit_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    out, _ = start("limited", path, 10_000).communicate(timeout=60)
    is_stored_at_first, error, is_stored_at_last = json.loads(out)
    assert not is_stored_at_first
    assert "EFBIG" in error
    assert is_stored_at_last
    ids = []
    for line in path.read_bytes().split(b"\n"):
        with contextlib.suppress(ValueError):
            ids.append(json.loads(line)["event_id"])
    assert ids == [f"w-{n + 1}" for n in range(50)]


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.EMFILE, errno.EIO])
@pytest.mark.parametrize("operation", ["open", "write"])
def test_a_refusing_disk_is_survived_and_told_once(
    tmp_path: Path, operation: str, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "events.jsonl"
    disk = FaultyDisk()
    sink = JsonlSink(path, disk=disk)
    pipe = pipeline_of(sink, stream="s", memory_limit_bytes=1 << 20)
    disk.fail(operation, code)
    for n in range(20):
        pipe.put(event(n))
        pipe.flush(0.005)
    until(lambda: pipe.stats().last_error != "")
    disk.heal()
    assert pipe.flush(60.0)
    assert events_in(path) == list(range(20))
    assert pipe.close(60.0)
    name = errno.errorcode[code]
    assert sum(name in record.getMessage() for record in caplog.records) == 1
    assert not disk.open_fds


def test_a_folder_without_the_right_to_write_is_told(tmp_path: Path) -> None:
    """The real thing, for which root is no test: it may write everywhere."""
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o500)
    path = tmp_path / "events.jsonl"
    pipe = pipeline_of(JsonlSink(path), stream="s", memory_limit_bytes=1 << 20)
    pipe.put(event(1))
    until(lambda: "EACCES" in pipe.stats().last_error)
    tmp_path.chmod(0o700)
    assert pipe.flush(60.0)
    assert events_in(path) == [1]
    assert pipe.close(60.0)


def test_a_folder_that_vanishes_while_events_come_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "events.jsonl"
    pipe = pipeline_of(JsonlSink(path), stream="s", memory_limit_bytes=1 << 20)
    pipe.put(event(0))
    assert pipe.flush(60.0)
    path.unlink()
    path.parent.rmdir()
    path.parent.write_bytes(b"in the way")
    pipe.put(event(1))
    until(lambda: pipe.stats().last_error != "")
    path.parent.unlink()
    assert pipe.flush(60.0)
    assert events_in(path) == [1]
    assert pipe.close(60.0)


def test_a_pipe_nobody_reads_hangs_neither_the_host_nor_the_exit(
    tmp_path: Path,
) -> None:
    path = tmp_path / "events.jsonl"
    os.mkfifo(path)
    pipe = pipeline_of(JsonlSink(path), stream="s", memory_limit_bytes=1 << 20)
    pipe.put(event(1))
    until(lambda: "ENXIO" in pipe.stats().last_error)
    assert not pipe.close(0.05)
    assert pipe.stats().dropped == {"after_close": 1}


def test_a_reader_that_stops_reading_blocks_the_writer_only(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    pipe = pipeline_of(JsonlSink(path), stream="s", memory_limit_bytes=400_000)
    for n in range(2000):
        pipe.put(event(n))
    assert not pipe.flush(0.05)
    stats = pipe.stats()
    assert stats.queued_bytes <= 400_000
    assert stats.dropped["memory_full"] > 0
    os.set_blocking(reader, True)
    received: list[bytes] = []

    def read() -> None:
        while chunk := os.read(reader, 1 << 16):
            received.append(chunk)

    thread = threading.Thread(target=read)
    thread.start()
    assert pipe.flush(60.0)
    assert pipe.close(60.0)
    thread.join(60)
    os.close(reader)
    found = [json.loads(line)["n"] for line in b"".join(received).splitlines()]
    assert found == list(range(pipe.stats().written))
