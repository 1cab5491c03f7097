"""The JSONL sink against real files, and against a disk that fails."""

from __future__ import annotations

import contextlib
import errno
import gzip
import json
import os
import stat
from typing import TYPE_CHECKING

import pytest

from chaukas.sdk.sinks.jsonl import JsonlSink, Rotation
from tests.support.faulty_io import FaultyDisk

if TYPE_CHECKING:
    from pathlib import Path


class Clock:
    def __init__(self, now_s: float = 1_767_268_800.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


def lines(*numbers: int) -> list[bytes]:
    return [b'{"n":%d}\n' % n for n in numbers]


def numbers_in(path: Path) -> list[int]:
    """Return what a tolerant reader finds: empty and broken lines are skipped."""
    found = []
    for line in path.read_bytes().split(b"\n"):
        with contextlib.suppress(ValueError):
            found.append(json.loads(line)["n"])
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def test_a_batch_becomes_lines_in_order(path: Path) -> None:
    sink = JsonlSink(path)
    verdict = sink.send(lines(1, 2, 3))
    sink.send(lines(4))
    assert verdict.accepted == 3
    assert not verdict.error
    assert path.read_bytes() == b"".join(lines(1, 2, 3, 4))
    sink.close()


def test_making_a_sink_touches_no_disk(path: Path) -> None:
    disk = FaultyDisk()
    JsonlSink(path, disk=disk).close()
    assert not disk.calls
    assert not path.exists()


def test_missing_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "events.jsonl"
    JsonlSink(path).send(lines(1))
    assert numbers_in(path) == [1]


def test_only_the_owner_may_read_a_new_file(path: Path) -> None:
    JsonlSink(path).send(lines(1))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_relative_path_is_that_of_the_working_folder_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sink = JsonlSink("events.jsonl")
    monkeypatch.chdir("/")
    sink.send(lines(1))
    assert numbers_in(tmp_path / "events.jsonl") == [1]


def test_the_file_is_not_inherited_by_programs(path: Path) -> None:
    disk = FaultyDisk()
    sink = JsonlSink(path, disk=disk)
    sink.send(lines(1))
    assert [os.get_inheritable(fd) for fd in disk.open_fds] == [False]
    sink.close()


def test_a_torn_line_of_an_earlier_process_is_ended_first(path: Path) -> None:
    path.write_bytes(b'{"n":1}\n{"n":')
    JsonlSink(path).send(lines(2))
    assert path.read_bytes() == b'{"n":1}\n{"n":\n{"n":2}\n'


@pytest.mark.parametrize("size", range(18))
def test_a_tail_torn_at_any_byte_costs_no_later_line(path: Path, size: int) -> None:
    whole = b"".join(lines(1, 22))
    path.write_bytes(whole[:size])
    JsonlSink(path).send(lines(3))
    left = [n for n, end in ((1, 7), (22, 16)) if size >= end]
    assert numbers_in(path) == [*left, 3]


def test_a_line_torn_by_another_process_is_ended_before_ours(path: Path) -> None:
    sink = JsonlSink(path)
    sink.send(lines(1))
    with path.open("ab") as other:
        other.write(b'{"n":')
    sink.send(lines(2))
    assert numbers_in(path) == [1, 2]


def test_a_whole_line_of_another_process_leaves_no_empty_line(path: Path) -> None:
    sink = JsonlSink(path)
    sink.send(lines(1))
    with path.open("ab") as other:
        other.write(b'{"n":2}\n')
    sink.send(lines(3))
    assert path.read_bytes() == b"".join(lines(1, 2, 3))


@pytest.mark.parametrize("size", range(1, 24))
def test_a_short_write_repeats_the_cut_line_on_a_line_of_its_own(
    path: Path, size: int
) -> None:
    disk = FaultyDisk()
    disk.shorten(size)
    sink = JsonlSink(path, disk=disk)
    verdict = sink.send(lines(1, 2, 3))
    assert verdict.accepted == 3
    assert numbers_in(path) == [1, 2, 3]


def test_a_disk_that_takes_nothing_is_told_and_not_tried_for_ever(path: Path) -> None:
    disk = FaultyDisk()
    disk.shorten(3, 0)
    sink = JsonlSink(path, disk=disk)
    assert sink.send(lines(1)).cause == "EIO"
    assert sink.send(lines(1)).accepted == 1
    assert numbers_in(path) == [1]


def test_a_disk_that_fills_up_within_a_line_keeps_the_lines_before(path: Path) -> None:
    disk = FaultyDisk()
    sink = JsonlSink(path, disk=disk)
    sink.send(lines(0))
    disk.shorten(11, 0, 0)
    verdict = sink.send(lines(1, 2, 3))
    assert verdict.accepted == 1
    assert verdict.error
    disk.fail("write", errno.ENOSPC)
    verdict = sink.send(lines(2, 3))
    assert (verdict.accepted, verdict.cause) == (0, "ENOSPC")
    disk.heal()
    assert sink.send(lines(2, 3)).accepted == 2
    assert numbers_in(path) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "code",
    [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EMFILE, errno.EACCES, errno.ENXIO],
)
@pytest.mark.parametrize("operation", ["open", "write", "find"])
def test_an_error_of_the_system_is_told_and_leaves_nothing_open(
    path: Path, operation: str, code: int
) -> None:
    disk = FaultyDisk()
    disk.fail(operation, code)
    sink = JsonlSink(path, disk=disk)
    verdict = sink.send(lines(1))
    assert verdict.accepted == 0
    assert verdict.cause == errno.errorcode[code]
    assert verdict.error.startswith(f"chaukas: cannot write '{path}'")
    assert "\n" not in verdict.error
    assert not disk.open_fds
    disk.heal()
    assert sink.send(lines(1)).accepted == 1
    assert numbers_in(path) == [1]


def test_a_file_that_was_renamed_is_followed_within_a_second(path: Path) -> None:
    clock = Clock()
    sink = JsonlSink(path, monotonic=clock)
    sink.send(lines(1))
    moved = path.rename(path.with_suffix(".1"))
    sink.send(lines(2))
    clock.now_s += 1.0
    sink.send(lines(3))
    assert numbers_in(moved) == [1, 2]
    assert numbers_in(path) == [3]


def test_a_file_that_was_removed_is_made_again_at_once(path: Path) -> None:
    sink = JsonlSink(path)
    sink.send(lines(1))
    path.unlink()
    sink.send(lines(2))
    assert numbers_in(path) == [2]


def test_a_folder_that_was_removed_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "events.jsonl"
    sink = JsonlSink(path)
    sink.send(lines(1))
    path.unlink()
    path.parent.rmdir()
    sink.send(lines(2))
    assert numbers_in(path) == [2]


def test_a_file_that_was_copied_and_truncated_is_written_from_its_start(
    path: Path,
) -> None:
    sink = JsonlSink(path)
    sink.send(lines(1))
    os.truncate(path, 0)
    sink.send(lines(2))
    assert path.read_bytes() == b'{"n":2}\n'


def test_a_folder_in_the_place_of_the_file_is_told(tmp_path: Path) -> None:
    verdict = JsonlSink(tmp_path).send(lines(1))
    assert verdict.accepted == 0
    assert verdict.cause == "EISDIR"


def test_a_pipe_that_nobody_reads_is_told_and_does_not_hang(path: Path) -> None:
    os.mkfifo(path)
    sink = JsonlSink(path)
    assert sink.send(lines(1)).cause == "ENXIO"
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    assert sink.send(lines(1)).accepted == 1
    assert os.read(reader, 100) == b'{"n":1}\n'
    os.close(reader)
    assert sink.send(lines(2)).cause in {"EPIPE", "ENXIO"}


def test_a_device_takes_events() -> None:
    assert JsonlSink(os.devnull).send(lines(1, 2)).accepted == 2


def test_a_file_that_cannot_be_read_is_written_on_a_fresh_line(path: Path) -> None:
    disk = FaultyDisk()
    path.write_bytes(b'{"n":1}\n')
    disk.fail("last_byte", errno.EBADF)
    JsonlSink(path, disk=disk).send(lines(2))
    assert path.read_bytes() == b'{"n":1}\n\n{"n":2}\n'


def test_a_file_that_may_only_be_written_is_opened_so(path: Path) -> None:
    disk = FaultyDisk()
    disk.fail("open", errno.EACCES, times=1)
    path.write_bytes(b"")
    assert JsonlSink(path, disk=disk).send(lines(1)).accepted == 1


def test_abandon_closes_and_writes_nothing(path: Path) -> None:
    disk = FaultyDisk()
    sink = JsonlSink(path, disk=disk)
    sink.send(lines(1))
    before = disk.calls["write"]
    sink.abandon()
    assert not disk.open_fds
    assert disk.calls["write"] == before


def files_of(path: Path) -> list[Path]:
    return sorted(
        p for p in path.parent.iterdir() if p.name.startswith(path.name + ".")
    )


def test_no_file_grows_beyond_the_limit(path: Path) -> None:
    sink = JsonlSink(path, rotation=Rotation(limit_bytes=20, keep=99))
    for n in range(9):
        assert sink.send(lines(n)).accepted == 1
    old = [p for p in files_of(path) if p.suffix != ".lock"]
    assert [n for p in old for n in numbers_in(p)] + numbers_in(path) == list(range(9))
    assert max(p.stat().st_size for p in [*old, path]) <= 20


def test_a_new_period_begins_a_new_file(path: Path) -> None:
    clock = Clock()
    sink = JsonlSink(path, rotation=Rotation(interval_s=3600), wall=clock)
    sink.send(lines(1))
    os.utime(path, (clock.now_s, clock.now_s))
    sink.send(lines(2))
    os.utime(path, (clock.now_s, clock.now_s))
    clock.now_s += 3600
    sink.send(lines(3))
    [old] = [p for p in files_of(path) if p.suffix != ".lock"]
    assert numbers_in(old) == [1, 2]
    assert numbers_in(path) == [3]
    assert old.name == "events.jsonl.20260101T130000000000Z"


def test_only_the_newest_files_are_kept(path: Path) -> None:
    stranger = path.with_name("events.jsonl.bak")
    stranger.write_bytes(b"mine")
    sink = JsonlSink(path, rotation=Rotation(limit_bytes=10, keep=2))
    for n in range(6):
        sink.send(lines(n))
    old = [p for p in files_of(path) if p.suffix not in {".lock", ".bak"}]
    assert [numbers_in(p) for p in old] == [[3], [4]]
    assert stranger.read_bytes() == b"mine"


def test_a_busy_rotation_of_another_process_is_not_waited_for(path: Path) -> None:
    class Busy(FaultyDisk):
        def lock(self, fd: int, *, exclusive: bool) -> bool:
            return not exclusive and super().lock(fd, exclusive=exclusive)

    sink = JsonlSink(path, rotation=Rotation(limit_bytes=10), disk=Busy())
    sink.send(lines(1))
    assert sink.send(lines(2)).accepted == 1
    assert numbers_in(path) == [1, 2]


def test_a_file_rotated_by_another_process_is_not_rotated_again(path: Path) -> None:
    rotation = Rotation(limit_bytes=20)
    one, two = JsonlSink(path, rotation=rotation), JsonlSink(path, rotation=rotation)
    one.send(lines(1))
    two.send(lines(2))
    one.send(lines(3))
    # `two` still has the first file open, and finds that it was set aside.
    two.send(lines(4))
    [old] = [p for p in files_of(path) if p.suffix != ".lock"]
    assert numbers_in(old) == [1, 2]
    assert numbers_in(path) == [3, 4]


def test_a_failed_rotation_loses_nothing(path: Path) -> None:
    disk = FaultyDisk()
    sink = JsonlSink(path, rotation=Rotation(limit_bytes=10), disk=disk)
    sink.send(lines(1))
    disk.fail("rename", errno.EACCES)
    assert sink.send(lines(2)).cause == "EACCES"
    assert not disk.open_fds
    disk.heal()
    assert sink.send(lines(2)).accepted == 1
    old = [p for p in files_of(path) if p.suffix != ".lock"]
    assert [n for p in [*old, path] for n in numbers_in(p)] == [1, 2]


def test_files_set_aside_are_compressed_slice_by_slice(path: Path) -> None:
    clock = Clock()
    rotation = Rotation(limit_bytes=10, keep=9, gzip=True)
    sink = JsonlSink(path, rotation=rotation, monotonic=clock)
    sink.send(lines(1))
    sink.send(lines(2))
    for n in range(3, 20):
        clock.now_s += 1.0
        sink.send(lines(n)[:1] if n < 4 else [])
        sink._tend()
    packed = [p for p in files_of(path) if p.suffix == ".gz"]
    assert [gzip.decompress(p.read_bytes()) for p in packed] == lines(1, 2)
    assert not [p for p in files_of(path) if p.suffix not in {".gz", ".lock"}]
    sink.close()


def test_a_file_that_another_process_has_open_is_not_compressed(path: Path) -> None:
    clock = Clock()
    other = JsonlSink(path)
    other.send(lines(1))
    rotation = Rotation(limit_bytes=10, gzip=True)
    sink = JsonlSink(path, rotation=rotation, monotonic=clock)
    for n in range(2, 5):
        clock.now_s += 1.0
        sink.send(lines(n))
        for _ in range(8):
            clock.now_s += 1.0
            sink._tend()
    first = min(p for p in files_of(path) if p.suffix != ".lock")
    other.send(lines(99))
    assert numbers_in(first) == [1, 99]
    other.close()
    for _ in range(8):
        clock.now_s += 1.0
        sink._tend()
    assert gzip.decompress(first.with_name(first.name + ".gz").read_bytes()) == (
        b"".join(lines(1, 99))
    )


def test_a_disk_that_fails_in_compressing_loses_no_event(path: Path) -> None:
    class NoSync(FaultyDisk):
        def sync(self, fd: int) -> None:
            self._do("sync", super().sync, fd)

    disk, clock = NoSync(), Clock()
    rotation = Rotation(limit_bytes=10, gzip=True)
    sink = JsonlSink(path, rotation=rotation, disk=disk, monotonic=clock)
    disk.fail("sync", errno.ENOSPC)
    sink.send(lines(1))
    stored = 1
    for n in range(2, 7):
        clock.now_s += 1.0
        stored += sink.send(lines(n)).accepted
    old = [p for p in files_of(path) if p.suffix not in {".lock", ".tmp"}]
    found = [n for p in [*old, path] for n in numbers_in(p)]
    assert found == [1, 2, 3, 4, 5, 6]
    assert stored == len(found)
