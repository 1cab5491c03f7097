"""The JSONL sink against real files, and against a disk that fails."""

from __future__ import annotations

import contextlib
import errno
import gzip
import json
import os
import stat
from pathlib import Path

import pytest

from chaukas.sdk.sinks.jsonl import JsonlSink, Rotation
from tests.support.faulty_io import FaultyDisk


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
    disk.fail("read_at", errno.EBADF)
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
    """Return all that belongs to a file and is not the file itself, sorted by name."""
    folder = path.parent.iterdir()
    return sorted(p for p in folder if p.name.startswith(f"{path.stem}.") and p != path)


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
    assert old.name == "events.20260101T130000000000Z.jsonl"


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
        sink._compress()
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
            sink._compress()
    first = min(p for p in files_of(path) if p.suffix != ".lock")
    other.send(lines(99))
    assert numbers_in(first) == [1, 99]
    other.close()
    for _ in range(8):
        clock.now_s += 1.0
        sink._compress()
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


def test_names_of_files_set_aside_are_in_the_order_of_time(path: Path) -> None:
    clock = Clock()
    sink = JsonlSink(path, rotation=Rotation(limit_bytes=10, keep=9), wall=clock)
    for n in range(4):
        clock.now_s += 86_400
        sink.send(lines(n))
    names = sorted(p.name for p in path.parent.glob("*.jsonl"))
    assert [numbers_in(path.with_name(name)) for name in names] == [[0], [1], [2], [3]]
    assert names[-1] == path.name


@pytest.mark.parametrize("name", ["events", ".events", "a.b.log", "events.jsonl.1"])
def test_files_of_any_name_are_set_aside_and_pruned(path: Path, name: str) -> None:
    path = path.with_name(name)
    sink = JsonlSink(path, rotation=Rotation(limit_bytes=10, keep=2))
    for n in range(6):
        sink.send(lines(n))
    found = sorted(p for p in path.parent.iterdir() if p.suffix != ".lock")
    assert sorted(numbers_in(p)[0] for p in found) == [3, 4, 5]


class Quick(FaultyDisk):
    """Another process is faster: what was listed is gone when it is opened."""

    is_on = False

    def names(self, path: str) -> list[str]:
        names = super().names(path)
        for name in names:
            if self.is_on and name.endswith("Z.jsonl"):
                Path(path, name).unlink()
        return names


def compressing(path: Path, disk: FaultyDisk, clock: Clock) -> JsonlSink:
    """Return a sink that has begun to compress one file."""
    rotation = Rotation(limit_bytes=10, gzip=True)
    sink = JsonlSink(path, rotation=rotation, disk=disk, monotonic=clock)
    sink.send(lines(1))
    sink.send(lines(2))
    clock.now_s += 1.0
    sink._compress()
    return sink


def test_a_file_that_another_process_compressed_is_passed_over(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk, clock = Quick(), Clock()
    sink = JsonlSink(
        path,
        rotation=Rotation(limit_bytes=10, gzip=True),
        disk=disk,
        monotonic=clock,
    )
    other = JsonlSink(path)
    other.send(lines(1))
    sink.send(lines(2))
    disk.is_on = True
    other.close()
    clock.now_s += 1.0
    sink._compress()
    assert list(path.parent.glob("*Z.jsonl*")) == []
    assert caplog.text == ""
    sink.close()


def test_an_end_in_the_middle_of_compressing_leaves_no_half_of_it(path: Path) -> None:
    disk = FaultyDisk()
    sink = compressing(path, disk, Clock())
    assert len(list(path.parent.glob("*.tmp"))) == 1
    sink.close()
    assert not list(path.parent.glob("*.tmp"))
    assert not disk.open_fds
    assert sorted(numbers_in(p) for p in path.parent.glob("*.jsonl")) == [[1], [2]]


def test_a_forked_child_leaves_to_its_parent_what_is_being_compressed(
    path: Path,
) -> None:
    disk, clock = FaultyDisk(), Clock()
    parent = compressing(path, disk, clock)
    pid = os.fork()
    if not pid:
        parent.abandon()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    for _ in range(4):
        parent._compress()
    parent.close()
    (packed,) = path.parent.glob("*.jsonl.gz")
    assert gzip.decompress(packed.read_bytes()) == lines(1)[0]


# --- files that others can reach -------------------------------------------------


def owned(path: Path, user: int) -> None:
    try:
        os.chown(path, user, -1, follow_symlinks=False)
    except PermissionError:
        pytest.skip("no right to give files away")


def test_a_link_of_another_user_in_a_folder_for_all_is_not_followed(
    path: Path,
) -> None:
    target = path.with_name("target")
    target.write_bytes(b"precious")
    path.symlink_to(target)
    owned(path, 4711)
    path.parent.chmod(0o1777)
    sink = JsonlSink(path)
    verdict = sink.send(lines(1))
    assert (verdict.accepted, verdict.cause) == (0, "ELOOP")
    assert "a link that another user made" in verdict.error
    assert target.read_bytes() == b"precious"
    path.parent.chmod(0o755)
    assert sink.send(lines(1)).accepted == 1


def test_a_link_of_ones_own_is_followed(path: Path) -> None:
    path.symlink_to(path.with_name("target"))
    path.parent.chmod(0o1777)
    assert JsonlSink(path).send(lines(1)).accepted == 1
    assert path.is_symlink()
    assert numbers_in(path.with_name("target")) == [1]


def test_a_link_that_is_put_there_meanwhile_is_not_followed(path: Path) -> None:
    target = path.with_name("target")
    target.write_bytes(b"precious")

    class Late(FaultyDisk):
        def open(self, at: str, flags: int) -> int:
            path.symlink_to(target)
            return super().open(at, flags)

    assert JsonlSink(path, disk=Late()).send(lines(1)).cause == "ELOOP"
    assert target.read_bytes() == b"precious"


def test_a_file_that_everybody_can_write_is_used_and_told_once(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.touch()
    path.chmod(0o666)
    sink = JsonlSink(path)
    sink.send(lines(1))
    sink.close()
    sink.send(lines(2))
    (record,) = caplog.records
    assert "can be written by everybody" in record.getMessage()
    assert numbers_in(path) == [1, 2]


def test_a_file_of_another_user_is_used_and_told(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.touch()
    owned(path, 4711)
    JsonlSink(path).send(lines(1))
    (record,) = caplog.records
    assert "belongs to another user" in record.getMessage()
    assert numbers_in(path) == [1]
