"""What all spools of a folder take, how much more they may, and what goes with age."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from chaukas.sdk.delivery.quarantine import Quarantine, remove_old
from chaukas.sdk.delivery.spool.usage import Allowance, Usage, usage_of
from chaukas.sdk.sinks.disk import Disk
from tests.support.faulty_io import FaultyDisk

if TYPE_CHECKING:
    from pathlib import Path

NOW_S = 1_800_000_000.0
DAY_S = 86_400


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def file_of(path: Path, size: int, age_s: float) -> Path:
    """Make a file below a private folder, both of that age."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_bytes(b"x" * (size - 1) + b"\n")
    for each in (path, path.parent):
        os.utime(each, (NOW_S - age_s, NOW_S - age_s))
    return path


def test_all_spools_count_and_what_was_set_aside(tmp_path: Path) -> None:
    file_of(tmp_path / "own" / "0.seg", 1, 0)
    file_of(tmp_path / "living" / "0.seg", 20, 1)
    file_of(tmp_path / "dead" / "0.seg", 300, 3600)
    file_of(tmp_path / "quarantine" / "s.jsonl", 4000, 1)
    file_of(tmp_path / "corrupt" / "s-0.seg", 50_000, 1)
    assert usage_of(str(tmp_path), "own", Disk(), NOW_S) == (54_320, 1)


def test_what_is_no_spool_of_this_user_does_not_count(tmp_path: Path) -> None:
    file_of(tmp_path / "open" / "0.seg", 10, 1)
    (tmp_path / "open").chmod(0o755)
    file_of(tmp_path / "elsewhere" / "0.seg", 10, 1)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "file").write_bytes(b"x")
    assert usage_of(str(tmp_path), "own", Disk(), NOW_S) == (10, 1)
    assert usage_of(str(tmp_path / "nowhere"), "own", Disk(), NOW_S) == (0, 0)


def test_a_process_alone_may_fill_the_folder() -> None:
    allowance = Allowance(1000, lambda: Usage(0, 0), Clock())
    assert allowance.room(0, 1000) == 1000
    assert allowance.room(900, 1000) == 100


def test_room_is_kept_for_what_the_others_may_write_meanwhile() -> None:
    allowance = Allowance(1000, lambda: Usage(400, 3), Clock())
    step = 1000 // 16
    assert allowance.room(100, 10) == 1000 - 400 - 100 - 3 * step


def test_the_others_are_looked_at_after_a_step_or_a_while() -> None:
    looks: list[Usage] = []

    def look() -> Usage:
        looks.append(Usage(0, 0))
        return looks[-1]

    clock = Clock()
    allowance = Allowance(1000, look, clock)
    for used in range(0, 250, 50):
        allowance.room(used, 50)
        allowance.note(50)
    assert len(looks) == 1
    allowance.room(250, 50)
    assert len(looks) == 2
    clock.now_s += 5.0
    allowance.room(250, 50)
    assert len(looks) == 3


def test_a_full_folder_is_not_looked_at_for_every_batch() -> None:
    looks: list[Usage] = []

    def look() -> Usage:
        looks.append(Usage(1000, 0))
        return looks[-1]

    clock = Clock()
    allowance = Allowance(1000, look, clock)
    assert [allowance.room(0, 500) for _ in range(10)] == [0] * 10
    assert len(looks) == 1
    clock.now_s += 0.25
    allowance.room(0, 500)
    assert len(looks) == 2


@pytest.mark.parametrize("count", [1, 2, 7, 32, 100])
def test_processes_that_write_at_once_stay_below_the_limit(count: int) -> None:
    """Each looks at the others only now and then; the sum never gets past it."""
    limit, batch = 100_000, 50
    sizes = [0] * count

    def looking(own: int) -> Allowance:
        def look() -> Usage:
            return Usage(sum(sizes) - sizes[own], count - 1)

        return Allowance(limit, look, clock)

    clock = Clock()
    allowances = [looking(own) for own in range(count)]
    for turn in range(100_000 // batch):
        for each in range(count):
            own = (each * 7 + turn) % count
            if allowances[own].room(sizes[own], batch) >= batch:
                allowances[own].note(batch)
                sizes[own] += batch
        clock.now_s += 0.001
    assert sum(sizes) <= limit
    assert sum(sizes) >= limit // 2


def quarantine_in(folder: Path, stream: str = "s") -> Quarantine:
    return Quarantine(
        lambda: str(folder),
        stream,
        Disk(),
        key="http-1",
        limit_bytes=8 * 1000,
        wall=lambda: NOW_S,
        monotonic=lambda: 1.0,
    )


def test_quarantine_has_one_limit_for_all_processes(tmp_path: Path) -> None:
    for n in range(40):
        quarantine_in(tmp_path, f"s{n % 3}").keep(b'{"n":%d}\n' % n, "http", "bad")
    paths = sorted((tmp_path / "quarantine").iterdir())
    assert len(paths) == 3
    kept = [json.loads(line) for p in paths for line in p.read_bytes().splitlines()]
    numbers = sorted(json.loads(each["event"])["n"] for each in kept)
    assert numbers == list(range(len(numbers)))
    assert sum(path.stat().st_size for path in paths) <= 1000


def test_nothing_is_kept_in_a_quarantine_of_somebody_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "quarantine").mkdir()
    (tmp_path / "quarantine").chmod(0o777)
    quarantine_in(tmp_path).keep(b'{"n":1}\n', "http", "bad")
    assert list((tmp_path / "quarantine").iterdir()) == []
    assert "is not this user's alone" in caplog.text


def test_what_lies_there_for_a_month_goes_and_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old = file_of(tmp_path / "quarantine" / "old.jsonl", 10, 31 * DAY_S)
    new = file_of(tmp_path / "quarantine" / "new.jsonl", 10, 29 * DAY_S)
    aside = file_of(tmp_path / "corrupt" / "s-0.seg", 10, 31 * DAY_S)
    remove_old(str(tmp_path), Disk(), NOW_S)
    assert (old.exists(), new.exists(), aside.exists()) == (False, True, False)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert all("1 file(s) with 1 event(s) had lain in" in line for line in told)
    remove_old(str(tmp_path), Disk(), NOW_S)
    assert len(caplog.records) == 2


def test_what_cannot_be_removed_stays_without_harm(tmp_path: Path) -> None:
    old = file_of(tmp_path / "quarantine" / "old.jsonl", 10, 31 * DAY_S)
    disk = FaultyDisk()
    disk.fail("remove", 13)
    remove_old(str(tmp_path), disk, NOW_S)
    remove_old(str(tmp_path / "nowhere"), disk, NOW_S)
    assert old.exists()
