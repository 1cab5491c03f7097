"""The spool: what is written, read, counted and left behind."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from chaukas.sdk import integrity
from chaukas.sdk.delivery.counted_queue import CountedQueue
from chaukas.sdk.delivery.line_check import LineCheck
from chaukas.sdk.delivery.spool import crash_counters
from chaukas.sdk.delivery.spool.crash_counters import (
    BLOCK_BYTES,
    Page,
    mark_reported,
    open_page,
    remove_page,
    totals_of,
)
from chaukas.sdk.delivery.spool.cursor import Cursor
from chaukas.sdk.delivery.spool.folder import Spool
from chaukas.sdk.delivery.spool.layout import is_stream_name
from chaukas.sdk.delivery.spool.position import Position, position_in
from chaukas.sdk.delivery.spool.recovery import find
from chaukas.sdk.delivery.spool.segments import Acks
from chaukas.sdk.pipeline.log_limit import LogLimit
from chaukas.sdk.sinks.disk import Disk
from tests.support.faulty_io import FaultyDisk

if TYPE_CHECKING:
    from pathlib import Path


def line(number: int, size: int = 0) -> bytes:
    return b'{"n":%d,"x":"%s"}\n' % (number, b"x" * size)


def lines(*numbers: int, size: int = 0) -> list[bytes]:
    return [line(number, size) for number in numbers]


def numbers_of(found: list[bytes]) -> list[int]:
    return [json.loads(each)["n"] for each in found]


def spool_in(folder: Path, **settings: Any) -> Spool:
    settings = {"keys": ["http"], "limit_bytes": 1 << 20, **settings}
    return Spool(str(folder), settings.pop("stream", "s"), **settings)


def cursor_of(spool: Spool, key: str = "http") -> Cursor:
    return Cursor(spool.segments, key, spool.position_of(key), spool.disk)


def read_all(cursor: Cursor, most: int = 7) -> list[int]:
    found: list[int] = []
    while batch := cursor.read(most, 1000):
        found += numbers_of(batch)
        cursor.advance(len(batch))
    return found


def left_behind(folder: Path, keys: tuple[str, ...] = ("http",)) -> list[Any]:
    lost: list[tuple[str, int]] = []
    return find(
        str(folder),
        keys,
        Disk(),
        limit=10,
        on_lost=lambda reason, count: lost.append((reason, count)),
        log_limit=LogLimit(),
    )


def adopted_numbers(folder: Path) -> list[int]:
    (adopted,) = left_behind(folder)
    position = adopted.position_of("http")
    found = read_all(Cursor(adopted.segments, "http", position, Disk()))
    adopted.unlock()
    return found


# --- writing and reading ---------------------------------------------------------


def test_what_is_written_is_read_in_order(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    assert spool.send(lines(*range(50))).accepted == 50
    assert read_all(cursor_of(spool)) == list(range(50))


def test_a_batch_is_bounded_in_events_and_bytes(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    spool.send(lines(*range(10), size=90))
    cursor = cursor_of(spool)
    assert len(cursor.read(3, 10_000)) == 3
    assert len(cursor.read(100, 350)) == 3
    # One that is larger than that goes alone.
    assert len(cursor.read(100, 20)) == 1


def test_a_reader_goes_over_from_segment_to_segment(tmp_path: Path) -> None:
    spool = spool_in(tmp_path, segment_bytes=300)
    for n in range(40):
        spool.send(lines(n, size=30))
    assert len(spool.segments.firsts) > 3
    assert read_all(cursor_of(spool)) == list(range(40))


def test_segments_that_all_sinks_are_past_are_removed(tmp_path: Path) -> None:
    spool = spool_in(tmp_path, segment_bytes=300, keys=["http", "grpc"])
    for n in range(40):
        spool.send(lines(n, size=30))
    fast, slow = cursor_of(spool), cursor_of(spool, "grpc")
    used_bytes = spool.used_bytes
    assert read_all(fast) == list(range(40))
    assert spool.used_bytes == used_bytes
    assert read_all(slow) == list(range(40))
    assert spool.used_bytes < used_bytes / 4
    assert len(list((tmp_path / "s").glob("*.seg"))) == len(spool.segments.firsts) == 1


def test_the_last_segment_goes_too_once_all_of_it_is_delivered(tmp_path: Path) -> None:
    spool = spool_in(tmp_path, keys=["http", "grpc"])
    spool.send(lines(1, 2))
    fast, slow = cursor_of(spool), cursor_of(spool, "grpc")
    assert read_all(fast) == [1, 2]
    assert b'"n":1' in content_of(tmp_path / "s")
    assert read_all(slow) == [1, 2]
    assert content_of(tmp_path / "s") == b""
    assert spool.used_bytes == 0
    spool.send(lines(3))
    spool.send(lines(4))
    assert read_all(fast) == read_all(slow) == [3, 4]
    assert content_of(tmp_path / "s") == b""
    spool.abandon()
    (adopted,) = left_behind(tmp_path, ("http", "grpc"))
    assert (adopted.written, adopted.waiting_at_first) == (4, 0)
    adopted.unlock()


def content_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("*.seg"))


def test_a_delivered_segment_stays_while_no_other_can_be_begun(tmp_path: Path) -> None:
    disk = FaultyDisk()
    spool = spool_in(tmp_path, disk=disk)
    spool.send(lines(1))
    cursor = cursor_of(spool)
    batch = cursor.read(10, 1000)
    disk.fail("open", errno.EMFILE)
    cursor.advance(len(batch))
    disk.heal()
    assert content_of(tmp_path / "s") == b"".join(lines(1))
    spool.send(lines(2))
    assert read_all(cursor) == [2]
    assert content_of(tmp_path / "s") == b""


def test_writing_and_releasing_at_the_same_time_loses_nothing(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    spool.send(lines(0))
    cursor = cursor_of(spool)
    found: list[int] = []

    def read() -> None:
        while len(found) < 3001:
            batch = cursor.read(7, 1000)
            found.extend(numbers_of(batch))
            cursor.advance(len(batch))

    reader = threading.Thread(target=read)
    reader.start()
    for n in range(1, 3001):
        assert spool.send(lines(n)).accepted == 1
    reader.join()
    assert found == list(range(3001))
    assert content_of(tmp_path / "s") == b""


def test_folders_and_files_are_for_the_owner_only(tmp_path: Path) -> None:
    spool = spool_in(tmp_path / "made")
    spool.send(lines(1))
    for path in (tmp_path / "made").rglob("*"):
        assert not path.stat().st_mode & 0o077, path
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o700


def test_a_full_spool_refuses_the_newest(tmp_path: Path) -> None:
    spool = spool_in(tmp_path, limit_bytes=3000)
    verdict = spool.send(lines(*range(100), size=40))
    assert 0 < verdict.accepted < 100
    assert verdict.accepted + verdict.refused == 100
    assert (verdict.reason, verdict.error) == ("spool_full", "")
    assert spool.used_bytes <= 3000
    assert read_all(cursor_of(spool)) == list(range(verdict.accepted))


def test_room_comes_back_when_events_are_acknowledged(tmp_path: Path) -> None:
    spool = spool_in(tmp_path, limit_bytes=3000)
    for n in range(100):
        spool.send(lines(n, size=40))
    assert spool.send(lines(200, size=40)).refused == 1
    read_all(cursor_of(spool))
    assert spool.send(lines(201, size=40)).accepted == 1


def test_sync_reaches_every_segment_once(tmp_path: Path) -> None:
    disk = FaultyDisk()
    spool = spool_in(tmp_path, segment_bytes=300, disk=disk)
    for n in range(20):
        spool.send(lines(n, size=30))
    count = len(spool.segments.firsts)
    assert spool.is_unsynced
    spool.sync()
    assert disk.calls["sync_data"] == count + 1
    assert not spool.is_unsynced
    spool.sync()
    assert disk.calls["sync_data"] == count + 1


# --- trouble ---------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["open", "make_folder", "write", "allocate"])
@pytest.mark.parametrize(
    "code", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EMFILE, errno.EACCES]
)
def test_an_error_of_the_disk_keeps_the_batch_and_passes(
    tmp_path: Path, operation: str, code: int
) -> None:
    disk = FaultyDisk()
    spool = spool_in(tmp_path, disk=disk)
    disk.fail(operation, code)
    verdict = spool.send(lines(1, 2))
    assert (verdict.accepted, verdict.refused) == (0, 0)
    assert verdict.cause == errno.errorcode[code]
    assert verdict.error.startswith("chaukas: cannot write the spool")
    disk.heal()
    assert spool.send(lines(1, 2)).accepted == 2
    assert read_all(cursor_of(spool)) == [1, 2]


@pytest.mark.parametrize("cut", range(1, 3 * len(line(1))))
def test_a_short_write_leaves_no_half_line(tmp_path: Path, cut: int) -> None:
    disk = FaultyDisk()
    spool = spool_in(tmp_path, disk=disk)
    spool.send(lines(0))
    disk.shorten(cut)
    assert spool.send(lines(1, 2, 3)).accepted == 3
    assert content_of(tmp_path / "s") == b"".join(lines(0, 1, 2, 3))
    assert read_all(cursor_of(spool)) == [0, 1, 2, 3]


def test_a_disk_that_fills_up_in_mid_line_is_gone_on_with(tmp_path: Path) -> None:
    disk = FaultyDisk()
    spool = spool_in(tmp_path, disk=disk)
    disk.shorten(len(line(1)) + 5, 0, 0)
    verdict = spool.send(lines(1, 2, 3))
    assert (verdict.accepted, verdict.cause) == (1, "EIO")
    assert spool.send(lines(2, 3)).accepted == 2
    assert read_all(cursor_of(spool)) == [1, 2, 3]


def test_a_spool_that_could_not_be_finished_is_finished_before_it_is_used(
    tmp_path: Path,
) -> None:
    """Without the position of a sink, nobody would know whose events these are."""

    class Full(Disk):
        is_full = True

        def open(self, path: str, flags: int) -> int:
            if path.endswith(".pos") and self.is_full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().open(path, flags)

    disk, pages = Full(), []
    spool = spool_in(tmp_path, disk=disk, on_open=pages.append)
    for _ in range(2):
        assert spool.send(lines(1)).cause == "ENOSPC"
        assert not spool.is_open
    disk.is_full = False
    assert spool.send(lines(1)).accepted == 1
    assert (len(pages), spool.is_open) == (1, True)
    spool.abandon()
    assert adopted_numbers(tmp_path) == [1]


def test_a_spool_that_could_not_be_finished_goes_with_its_owner(tmp_path: Path) -> None:
    disk = FaultyDisk()
    disk.fail("allocate", errno.ENOSPC)
    spool = spool_in(tmp_path, disk=disk)
    assert spool.send(lines(1)).cause == "ENOSPC"
    spool.retire()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_removed_is_made_again(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    spool.send(lines(1))
    cursor = cursor_of(spool)
    assert numbers_of(cursor.read(1, 100)) == [1]
    cursor.advance(1)
    for path in (tmp_path / "s").iterdir():
        path.unlink()
    (tmp_path / "s").rmdir()
    assert spool.send(lines(2)).accepted == 1
    assert read_all(cursor) == [2]


def test_events_in_a_segment_that_is_gone_count_as_lost(tmp_path: Path) -> None:
    spool = spool_in(tmp_path, segment_bytes=300)
    for n in range(30):
        spool.send(lines(n, size=30))
    second, third = spool.segments.firsts[1:3]
    (tmp_path / "s" / f"{second:020d}.seg").unlink()
    expected = [n for n in range(30) if not second <= n < third]
    assert read_all(cursor_of(spool)) == expected
    assert spool.segments.acks.lost == {"spool_io": third - second}


@pytest.mark.parametrize(("mode", "is_told"), [(0o777, 1), (0o1777, 0), (0o770, 0)])
def test_a_spool_folder_that_everybody_can_write_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int, is_told: int
) -> None:
    tmp_path.chmod(mode)
    spool = spool_in(tmp_path)
    assert spool.send(lines(1)).accepted == 1
    assert spool.send(lines(2)).accepted == 1
    told = [r for r in caplog.records if "everybody may write" in r.getMessage()]
    assert len(told) == is_told


def test_a_folder_of_that_name_is_never_taken(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    verdict = spool_in(tmp_path).send(lines(1))
    assert (verdict.accepted, verdict.cause) == (0, "EEXIST")


def test_an_unusable_folder_gives_way_to_one_among_the_temporary(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    spool = spool_in(tmp_path / "file" / "x", fallback_dir=str(tmp_path / "tmp"))
    assert spool.send(lines(1, 2)).accepted == 2
    assert read_all(cursor_of(spool)) == [1, 2]
    assert caplog.text.count("events wait in") == 1
    assert (tmp_path / "tmp").stat().st_mode & 0o777 == 0o700
    spool.retire()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_temporary_folder_that_others_can_enter_is_not_taken(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "tmp").mkdir(mode=0o755)
    spool = spool_in(tmp_path / "file" / "x", fallback_dir=str(tmp_path / "tmp"))
    assert spool.send(lines(1)).cause == "ENOTDIR"
    assert list((tmp_path / "tmp").iterdir()) == []


# --- what is left when a process is gone -----------------------------------------


def test_nobody_takes_a_spool_over_in_the_middle_of_a_write(tmp_path: Path) -> None:
    """As when a program ends, or disables, while its disk is slow."""
    is_writing, go_on = threading.Event(), threading.Event()

    class Slow(FaultyDisk):
        def write(self, fd: int, data: bytes) -> int:
            is_writing.set()
            go_on.wait()
            return super().write(fd, data)

    spool = spool_in(tmp_path, disk=Slow())
    writer = threading.Thread(target=spool.send, args=(lines(1, 2),))
    writer.start()
    assert is_writing.wait(60)
    spool.retire()
    assert left_behind(tmp_path) == []
    go_on.set()
    writer.join()
    assert adopted_numbers(tmp_path) == [1, 2]


def test_what_is_written_after_the_end_is_left_for_the_next_process(
    tmp_path: Path,
) -> None:
    spool = spool_in(tmp_path)
    spool.retire()
    assert spool.send(lines(1)).accepted == 1
    assert spool.send(lines(2)).accepted == 1
    assert adopted_numbers(tmp_path) == [1, 2]


def test_a_spool_is_left_alone_while_its_owner_lives(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    spool.send(lines(1))
    assert left_behind(tmp_path) == []
    spool.abandon()
    assert adopted_numbers(tmp_path) == [1]


def test_closing_an_inherited_spool_does_not_take_the_parents_lock(
    tmp_path: Path,
) -> None:
    spool = spool_in(tmp_path)
    spool.send(lines(1))
    pid = os.fork()
    if not pid:
        spool.abandon()
        os._exit(0)
    os.waitpid(pid, 0)
    assert left_behind(tmp_path) == []


def test_a_torn_tail_is_cut_at_every_byte(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    spool.send(lines(1, 2, 3))
    spool.abandon()
    segment = next((tmp_path / "s").glob("*.seg"))
    data = segment.read_bytes()
    for size in range(len(data) + 1):
        segment.write_bytes(data[:size])
        (tmp_path / "s" / "http.pos").write_bytes(b"")
        whole = data[:size].count(b"\n")
        (adopted,) = left_behind(tmp_path)
        assert adopted.written == whole
        adopted.unlock()
        assert adopted_numbers(tmp_path) == [1, 2, 3][:whole]


def test_reading_goes_on_where_the_dead_process_stopped(tmp_path: Path) -> None:
    spool = spool_in(tmp_path, segment_bytes=300)
    for n in range(40):
        spool.send(lines(n, size=30))
    cursor = cursor_of(spool)
    for _ in range(9):
        cursor.read(2, 1000)
        cursor.advance(2)
    spool.abandon()
    assert adopted_numbers(tmp_path) == list(range(18, 40))


def test_a_lost_position_costs_repetition_and_no_event(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    spool.send(lines(*range(9)))
    cursor = cursor_of(spool)
    cursor.read(5, 1000)
    cursor.advance(5)
    spool.abandon()
    (tmp_path / "s" / "http.pos").write_bytes(b"00000000000000000007 00000000\n")
    assert adopted_numbers(tmp_path) == list(range(9))


def test_a_spool_is_delivered_only_where_it_was_meant_to_go(tmp_path: Path) -> None:
    spool = spool_in(tmp_path, keys=["http-a", "file-b"])
    spool.send(lines(1))
    spool.abandon()
    assert left_behind(tmp_path, ("http-a",)) == []
    assert left_behind(tmp_path, ("http-x", "file-b")) == []
    assert len(left_behind(tmp_path, ("http-a", "file-b", "grpc-c"))) == 1


def test_only_one_process_adopts_a_spool(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    spool.send(lines(1))
    spool.abandon()
    (adopted,) = left_behind(tmp_path)
    assert left_behind(tmp_path) == []
    adopted.remove()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("steps", range(9))
def test_an_heir_that_dies_while_it_removes_a_spool_does_no_harm(
    tmp_path: Path, steps: int
) -> None:
    spool = spool_in(tmp_path, segment_bytes=300, on_open=lambda page: page.count(1, 9))
    for n in range(9):
        spool.send(lines(n, size=60))
    segments = spool.segments
    count = len(segments.firsts)
    assert count > 2
    spool.position_of("http").keep(9)
    spool.abandon()
    (adopted,) = left_behind(tmp_path)
    assert adopted.crash_lost == 0
    removed: list[str] = []

    class Killed(Disk):
        def remove(self, path: str) -> None:
            if len(removed) == steps:
                raise OSError(errno.EIO, "as good as dead")
            removed.append(path)
            super().remove(path)

    adopted.disk = Killed()
    adopted.remove()
    for again in left_behind(tmp_path):
        assert (again.crash_lost, again.waiting_at_first) == (0, 0)
        again.remove()
    left = [path.name for path in tmp_path.iterdir()]
    assert left in ([], ["s"])
    if left:
        # Only the folder itself is left; it goes once it is old.
        assert list((tmp_path / "s").iterdir()) == []


def test_what_is_not_a_spool_of_ours_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o700)
    (outside / "lock").touch()
    root = tmp_path / "spool"
    root.mkdir()
    (root / "link").symlink_to(outside)
    (root / "file").write_text("x")
    (root / "open").mkdir()
    (root / "open").chmod(0o755)
    (root / ".hidden").mkdir(mode=0o700)
    (root / "locklink").mkdir(mode=0o700)
    (root / "locklink" / "lock").symlink_to(outside / "lock")
    with caplog.at_level(logging.WARNING, "chaukas.sdk"):
        assert left_behind(root) == []
    assert len(caplog.records) == 4
    assert "belongs to another user" in caplog.text
    assert len(list(root.iterdir())) == 5


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_spool_of_another_user_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = spool_in(tmp_path)
    spool.send(lines(1))
    spool.abandon()
    os.chown(tmp_path / "s", 12345, 12345)
    assert left_behind(tmp_path) == []
    assert "belongs to another user" in caplog.text


@pytest.mark.parametrize(
    "name", ["..", "a/b", ".x", "", "quarantine", "corrupt", "a b", "x" * 101, "a\n"]
)
def test_such_a_name_is_none_of_a_spool(name: str) -> None:
    assert not is_stream_name(name)


def test_an_unreadable_segment_is_set_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = spool_in(tmp_path, segment_bytes=300)
    for n in range(20):
        spool.send(lines(n, size=30))
    spool.abandon()
    last = max((tmp_path / "s").glob("*.seg"))
    last.unlink()
    last.symlink_to(tmp_path / "elsewhere")
    assert adopted_numbers(tmp_path) == list(range(int(last.stem)))
    assert (tmp_path / "corrupt" / f"s-{last.name}").is_symlink()
    assert "set aside" in caplog.text


def test_an_empty_folder_is_swept_once_it_is_old(tmp_path: Path) -> None:
    (tmp_path / "young").mkdir(mode=0o700)
    (tmp_path / "old").mkdir(mode=0o700)
    os.utime(tmp_path / "old", (1, 1))
    assert left_behind(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == ["young"]


def test_an_owner_gives_way_to_one_who_removes_its_empty_folder(
    tmp_path: Path,
) -> None:
    class Slow(Disk):
        def open(self, path: str, flags: int) -> int:
            fd = super().open(path, flags)
            if path.endswith("lock") and not self.is_done:
                self.is_done = True
                self.remove(path)
            return fd

        is_done = False

    spool = spool_in(tmp_path, disk=Slow())
    assert spool.send(lines(1)).accepted == 1


def test_an_owner_whose_folder_is_held_keeps_its_events(tmp_path: Path) -> None:
    class Held(Disk):
        def lock(self, fd: int, *, exclusive: bool) -> bool:
            return self.is_free

        is_free = False

    disk = Held()
    spool = spool_in(tmp_path, disk=disk)
    verdict = spool.send(lines(1))
    assert verdict.cause == "EAGAIN"
    assert "another process has its lock" in verdict.error
    disk.is_free = True
    assert spool.send(lines(1)).accepted == 1


# --- the parts -------------------------------------------------------------------


def test_a_position_is_kept_and_read_again(tmp_path: Path) -> None:
    path = str(tmp_path / "p")
    position = Position(path, Disk())
    assert position.kept == 0
    position.keep(10**12)
    position.keep(77)
    position.close()
    assert Position(path, Disk()).kept == 77


def test_no_flipped_bit_passes_for_a_position(tmp_path: Path) -> None:
    position = Position(str(tmp_path / "p"), Disk())
    position.keep(123_456)
    data = (tmp_path / "p").read_bytes()
    for bit in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        assert position_in(bytes(flipped)) in {0, 123_456}
    for size in range(len(data)):
        assert position_in(data[:size]) == 0


def test_an_event_is_lost_once_however_many_sinks_give_it_up() -> None:
    acks = Acks(["a", "b"])
    acks.give_up(range(3, 5), "quarantined")
    acks.give_up(range(4, 6), "spool_io")
    assert acks.lost == {"quarantined": 2, "spool_io": 1}
    assert acks.waiting(10) == 7
    acks.positions.update(a=4, b=9)
    assert acks.waiting(10) == 4
    acks.positions.update(a=10, b=10)
    acks.forget_passed()
    assert acks.waiting(10) == 0
    assert acks.lost == {"quarantined": 2, "spool_io": 1}


@pytest.fixture(params=["shared memory", "the disk"])
def shared_dir(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A folder that stands for the shared memory; or is not there."""
    folder = tmp_path / "shared"
    if request.param == "shared memory":
        folder.mkdir()
    monkeypatch.setattr(crash_counters, "SHARED_DIR", str(folder))
    return folder


def in_threads(count: int, act: Any) -> None:
    """Do something in so many threads, all of which live at the same time."""
    together = threading.Barrier(count)

    def run() -> None:
        together.wait()
        act()
        together.wait()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_the_page_tells_what_all_threads_counted(
    tmp_path: Path, shared_dir: Path
) -> None:
    queue = CountedQueue(1000)
    path = str(tmp_path / "page")

    def emit() -> None:
        for _ in range(10):
            queue.put(b"x" * 50, vital=False)

    emit()
    queue.attach(open_page(path, Disk()))
    in_threads(1, emit)
    emit()
    queue.drop("crash_lost", 5)
    queue.note_refused(3)
    dropped = sum(sum(cell.drops) for cell in queue.cells)
    assert dropped > 5
    assert totals_of(path, Disk()) == (35, dropped + 3, False)
    mark_reported(path, Disk())
    assert totals_of(path, Disk()) == (35, dropped + 3, True)


def test_a_page_lies_in_shared_memory_where_there_is_some(
    tmp_path: Path, shared_dir: Path
) -> None:
    page = open_page(str(tmp_path / "page"), Disk())
    page.count(1, 7)
    (holder,) = shared_dir.iterdir() if shared_dir.exists() else [tmp_path / "page"]
    assert holder.stat().st_size == BLOCK_BYTES
    assert not holder.stat().st_mode & 0o077
    remove_page(str(tmp_path / "page"), Disk())
    assert not holder.exists()
    assert not (tmp_path / "page").exists()
    page.count(1, 8)


def test_a_page_has_its_room_before_it_is_mapped(
    tmp_path: Path, shared_dir: Path
) -> None:
    disk = FaultyDisk()
    disk.fail("allocate", errno.ENOSPC)
    with pytest.raises(OSError, match="No space"):
        open_page(str(tmp_path / "page"), disk)
    assert not disk.open_fds
    disk.heal()
    open_page(str(tmp_path / "page"), disk).count(1, 1)
    assert disk.calls["allocate"] == (3 if shared_dir.exists() else 2)


def test_a_page_lies_on_the_disk_where_shared_memory_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shared").mkdir()
    monkeypatch.setattr(crash_counters, "SHARED_DIR", str(tmp_path / "shared"))
    disk = FaultyDisk()
    disk.fail("allocate", errno.ENOSPC, times=1)
    open_page(str(tmp_path / "page"), disk).count(1, 1)
    assert list((tmp_path / "shared").iterdir()) == []
    assert (tmp_path / "page").stat().st_size == BLOCK_BYTES
    assert totals_of(str(tmp_path / "page"), disk) == (1, 0, False)


def test_more_threads_than_a_page_has_room_for_are_counted_all_the_same(
    tmp_path: Path, shared_dir: Path
) -> None:
    disk = FaultyDisk()
    queue = CountedQueue(1 << 20)
    path = str(tmp_path / "page")
    queue.attach(open_page(path, disk))
    disk.fail("allocate", errno.ENOSPC)
    in_threads(600, lambda: queue.put(b"x", vital=False))
    in_threads(600, lambda: queue.drop("memory_full"))
    queue.note_refused(1)
    assert totals_of(path, disk) == (1200, 601, False)
    disk.heal()
    queue.note_refused(2)
    assert totals_of(path, disk) == (1200, 602, False)
    in_threads(600, lambda: queue.put(b"x", vital=False))
    assert totals_of(path, disk) == (1800, 602, False)
    queue.note_refused(2)
    assert totals_of(path, disk) == (1800, 602, False)


def test_a_page_does_not_grow_into_another_file(tmp_path: Path) -> None:
    page = Page(str(tmp_path / "page"), Disk())
    (tmp_path / "page").unlink()
    with pytest.raises(FileNotFoundError):
        page.grow()
    (tmp_path / "page").write_bytes(b"")
    with pytest.raises(FileNotFoundError):
        page.grow()
    assert (tmp_path / "page").read_bytes() == b""
    page.count(1, 1)


def test_what_is_no_page_tells_nothing(tmp_path: Path, shared_dir: Path) -> None:
    (tmp_path / "short").write_bytes(b"chaukas1")
    (tmp_path / "other").write_bytes(bytes(BLOCK_BYTES))
    (tmp_path / "gone").write_bytes(b"shared chaukas-" + b"0" * 32 + b"\n")
    (tmp_path / "astray").write_bytes(b"shared chaukas-../../../etc/passwd\n")
    (tmp_path / "link").symlink_to(tmp_path / "other")
    os.mkfifo(tmp_path / "pipe")
    names = ["short", "other", "gone", "astray", "link", "pipe", "missing"]
    assert [totals_of(str(tmp_path / name), Disk()) for name in names] == [None] * 7


def test_a_page_that_another_user_put_into_shared_memory_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crash_counters, "SHARED_DIR", str(tmp_path))
    open_page(str(tmp_path / "page"), Disk())
    assert totals_of(str(tmp_path / "page"), Disk()) == (0, 0, False)
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    assert totals_of(str(tmp_path / "page"), Disk()) is None


def test_no_page_is_left_in_shared_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    monkeypatch.setattr(crash_counters, "SHARED_DIR", str(shared))
    spool = spool_in(tmp_path / "spool")
    spool.send(lines(1))
    for path in (tmp_path / "spool" / "s").iterdir():
        path.unlink()
    spool.send(lines(2))
    assert len(list(shared.iterdir())) == 1
    read_all(cursor_of(spool))
    spool.close()
    spool.retire()
    assert list(shared.iterdir()) == []


def test_no_flipped_bit_in_an_event_is_overlooked() -> None:
    linked, _ = integrity.link(b'{"event_id":"e","n":1,"text":"abc"}', "")
    assert LineCheck().is_sound(linked)
    tail = linked.index(b',"content_hash"')
    for bit in range((len(linked) - 1) * 8):
        flipped = bytearray(linked)
        flipped[bit // 8] ^= 1 << bit % 8
        check = LineCheck()
        assert check.is_sound(linked)
        assert not check.is_sound(bytes(flipped)), (bit // 8, tail)


def test_a_line_without_a_hash_must_be_an_object() -> None:
    check = LineCheck()
    assert check.is_sound(b'{"n":1}\n')
    assert not check.is_sound(b'{"n":1\n')
    assert not check.is_sound(b"[]\n")
    assert not check.is_sound(b"\xff\n")
    assert not check.is_sound(b"[" * 100_000 + b"\n")


def test_the_lock_is_an_flock(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    spool.send(lines(1))
    with (tmp_path / "s" / "lock").open() as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
